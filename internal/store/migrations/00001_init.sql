-- One schema for SQLite and Postgres. Ids are text, times are microseconds
-- since the Unix epoch (UTC) with 0 for "none", lists and limits are JSON text.

-- +goose Up
CREATE TABLE plans (
    id         TEXT   PRIMARY KEY,
    name       TEXT   NOT NULL,
    limits     TEXT   NOT NULL,
    monthly_cu BIGINT NOT NULL,
    pricing_id TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);

CREATE TABLE orgs (
    id               TEXT   PRIMARY KEY,
    name             TEXT   NOT NULL UNIQUE,
    plan_id          TEXT   NOT NULL REFERENCES plans (id),
    spend_cap_micros BIGINT NOT NULL,
    capped_until_us  BIGINT NOT NULL,
    created_us       BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id         TEXT   PRIMARY KEY,
    org_id     TEXT   NOT NULL REFERENCES orgs (id),
    name       TEXT   NOT NULL,
    env        TEXT   NOT NULL,
    hash       BYTEA  NOT NULL UNIQUE,
    pepper     BIGINT NOT NULL,
    prefix     TEXT   NOT NULL,
    last_four  TEXT   NOT NULL,
    limits     TEXT   NOT NULL,
    allow      TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    revoked_us BIGINT NOT NULL,
    rotated_to TEXT   NOT NULL
);
CREATE INDEX api_keys_org ON api_keys (org_id);

-- What a segment added to the rollups; its name is here exactly once.
CREATE TABLE segments (
    name       TEXT   PRIMARY KEY,
    gateway_id TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    row_count  BIGINT NOT NULL,
    cu         BIGINT NOT NULL,
    first_us   BIGINT NOT NULL,
    last_us    BIGINT NOT NULL,
    sha256     BYTEA  NOT NULL,
    stored_us  BIGINT NOT NULL
);
CREATE INDEX segments_last ON segments (last_us);
CREATE INDEX segments_epoch ON segments (gateway_id, epoch, seq);

-- Calls without a known key have empty ids, so no foreign keys here. The
-- organisation comes first because every question is about one.
CREATE TABLE usage_minute (
    org_id         TEXT   NOT NULL,
    bucket_us      BIGINT NOT NULL,
    key_id         TEXT   NOT NULL,
    chain          TEXT   NOT NULL,
    method         TEXT   NOT NULL,
    outcome        TEXT   NOT NULL,
    prices         TEXT   NOT NULL,
    calls          BIGINT NOT NULL,
    cu             BIGINT NOT NULL,
    latency_us     BIGINT NOT NULL,
    request_bytes  BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    PRIMARY KEY (org_id, bucket_us, key_id, chain, method, outcome, prices)
);
CREATE INDEX usage_minute_bucket ON usage_minute (bucket_us);

CREATE TABLE usage_hour (
    org_id         TEXT   NOT NULL,
    bucket_us      BIGINT NOT NULL,
    key_id         TEXT   NOT NULL,
    chain          TEXT   NOT NULL,
    method         TEXT   NOT NULL,
    outcome        TEXT   NOT NULL,
    prices         TEXT   NOT NULL,
    calls          BIGINT NOT NULL,
    cu             BIGINT NOT NULL,
    latency_us     BIGINT NOT NULL,
    request_bytes  BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    PRIMARY KEY (org_id, bucket_us, key_id, chain, method, outcome, prices)
);
CREATE INDEX usage_hour_bucket ON usage_hour (bucket_us);

-- All calls of an hour, so that hours which got more are found without adding up
-- their rows.
CREATE TABLE usage_total (
    hour_us BIGINT PRIMARY KEY,
    calls   BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    cu      BIGINT NOT NULL
);

-- One row: minutes before it may be gone.
CREATE TABLE usage_pruned (
    before_us BIGINT NOT NULL
);
INSERT INTO usage_pruned (before_us) VALUES (0);

-- due_us is when an item may be claimed: its retry time, or the end of the
-- lease of the worker that has it.
CREATE TABLE outbox (
    topic      TEXT   NOT NULL,
    item_key   TEXT   NOT NULL,
    payload    BYTEA  NOT NULL,
    created_us BIGINT NOT NULL,
    due_us     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    last_error TEXT   NOT NULL,
    done_us    BIGINT NOT NULL,
    PRIMARY KEY (topic, item_key)
);
CREATE INDEX outbox_due ON outbox (topic, due_us) WHERE done_us = 0;

-- How processes that share one SQLite file tell each other what changed.
-- Postgres has NOTIFY for it and leaves this table as it is. The newest row is
-- never deleted, so the numbers go on rising.
CREATE TABLE changes (
    seq     BIGINT PRIMARY KEY,
    payload TEXT   NOT NULL
);
INSERT INTO changes (seq, payload) VALUES (0, 'all');
