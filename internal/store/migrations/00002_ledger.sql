-- How usage becomes money: who meters, what is paid, and what was charged. Money
-- is in micros (millionths of a US dollar), hours and months in microseconds of
-- their beginning (UTC).

-- +goose Up
-- Who holds a gateway's id, and before which time all that it recorded is stored.
CREATE TABLE gateways (
    id           TEXT   PRIMARY KEY,
    spool        TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    epoch        BIGINT NOT NULL,
    claimed_us   BIGINT NOT NULL,
    beat_us      BIGINT NOT NULL,
    watermark_us BIGINT NOT NULL,
    retired_us   BIGINT NOT NULL
);

-- What a gateway counted between one start and the next.
CREATE TABLE gateway_epochs (
    gateway_id  TEXT   NOT NULL REFERENCES gateways (id),
    epoch       BIGINT NOT NULL,
    spool       TEXT   NOT NULL,
    ended       TEXT   NOT NULL,
    started_us  BIGINT NOT NULL,
    beat_us     BIGINT NOT NULL,
    accepted    BIGINT NOT NULL,
    accepted_cu BIGINT NOT NULL,
    dropped     BIGINT NOT NULL,
    sealed      BIGINT NOT NULL,
    sealed_cu   BIGINT NOT NULL,
    sealed_seq  BIGINT NOT NULL,
    acked_seq   BIGINT NOT NULL,
    final_seq   BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, epoch)
);

-- Prices, never changed: another price is another row.
CREATE TABLE pricings (
    id         TEXT   PRIMARY KEY,
    body       TEXT   NOT NULL,
    created_us BIGINT NOT NULL
);

-- What an organisation pays from an hour on, until its next row. Empty: nothing.
-- Rows of hours that are closed are never changed.
CREATE TABLE org_pricings (
    org_id     TEXT   NOT NULL REFERENCES orgs (id),
    from_us    BIGINT NOT NULL,
    pricing_id TEXT   NOT NULL,
    PRIMARY KEY (org_id, from_us)
);

-- One row. Who closes an hour changes it first, so that of two only one can:
-- hours from closed_from_us on and before closed_until_us are closed, and
-- prices_seq counts the changes of org_pricings.
CREATE TABLE ledger_head (
    closed_from_us  BIGINT NOT NULL,
    closed_until_us BIGINT NOT NULL,
    prices_seq      BIGINT NOT NULL
);
INSERT INTO ledger_head (closed_from_us, closed_until_us, prices_seq) VALUES (0, 0, 0);

-- What was charged. Rows are added when the hour booked_us is closed and never
-- changed: what came late for its hour_us is another row, booked in a later hour.
-- method is empty unless the price depends on it. No foreign keys: what was
-- charged stays.
CREATE TABLE ledger (
    org_id        TEXT   NOT NULL,
    booked_us     BIGINT NOT NULL,
    hour_us       BIGINT NOT NULL,
    line          TEXT   NOT NULL,
    chain         TEXT   NOT NULL,
    key_id        TEXT   NOT NULL,
    method        TEXT   NOT NULL,
    prices        TEXT   NOT NULL,
    month_us      BIGINT NOT NULL,
    pricing_id    TEXT   NOT NULL,
    calls         BIGINT NOT NULL,
    cu            BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    PRIMARY KEY (org_id, booked_us, hour_us, line, chain, key_id, method, prices)
);
CREATE INDEX ledger_booked ON ledger (booked_us);
CREATE INDEX ledger_hour ON ledger (hour_us);

-- Sums of the ledger by the hour in which the calls were made. An hour that got
-- its first calls after it would have been closed has a row too.
CREATE TABLE closed_hours (
    hour_us       BIGINT PRIMARY KEY,
    closed_us     BIGINT NOT NULL,
    calls         BIGINT NOT NULL,
    cu            BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL
);

-- Sums of the ledger by month and line: where the next hour goes on.
CREATE TABLE org_months (
    org_id        TEXT   NOT NULL,
    month_us      BIGINT NOT NULL,
    line          TEXT   NOT NULL,
    cu            BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    PRIMARY KEY (org_id, month_us, line)
);
CREATE INDEX org_months_month ON org_months (month_us);

-- Thresholds that were passed, each once a month.
CREATE TABLE usage_alerts (
    org_id    TEXT   NOT NULL REFERENCES orgs (id),
    month_us  BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    percent   BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    bound     BIGINT NOT NULL,
    raised_us BIGINT NOT NULL,
    PRIMARY KEY (org_id, month_us, kind, percent)
);
