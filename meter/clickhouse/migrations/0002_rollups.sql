-- Totals by minute, hour and day, each made of the one before it while a segment
-- is stored. They are for dashboards: what is billed is counted from events. Rows
-- of one bucket may be several until they are merged: sum them.
--
-- "day" is that of events, carried along so that these tables, too, get one block
-- a segment: a block is what a repeated INSERT is recognised by.
CREATE TABLE IF NOT EXISTS usage_minute
(
    day            Date COMMENT 'as in events' CODEC(ZSTD(1)),
    start          DateTime('UTC') COMMENT 'first second of the minute, hour or day' CODEC(Delta, ZSTD(1)),
    org            UInt64 COMMENT 'as in events' CODEC(ZSTD(1)),
    key            UInt64 COMMENT 'as in events' CODEC(ZSTD(1)),
    chain          LowCardinality(String) COMMENT 'as in events' CODEC(ZSTD(1)),
    method         LowCardinality(String) COMMENT 'as in events' CODEC(ZSTD(1)),
    outcome        LowCardinality(String) COMMENT 'as in events' CODEC(ZSTD(1)),
    prices         LowCardinality(String) COMMENT 'as in events' CODEC(ZSTD(1)),
    calls          SimpleAggregateFunction(sum, UInt64) COMMENT 'calls' CODEC(ZSTD(1)),
    cu             SimpleAggregateFunction(sum, UInt64) COMMENT 'compute units charged' CODEC(ZSTD(1)),
    request_bytes  SimpleAggregateFunction(sum, UInt64) COMMENT 'bytes of the calls' CODEC(ZSTD(1)),
    response_bytes SimpleAggregateFunction(sum, UInt64) COMMENT 'bytes of the answers' CODEC(ZSTD(1)),
    latency_us     SimpleAggregateFunction(sum, UInt64) COMMENT 'microseconds, summed' CODEC(ZSTD(1)),
    latency        AggregateFunction(quantilesTDigest(0.5, 0.9, 0.99), UInt32) COMMENT 'state of the quantiles of the latency in microseconds' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
PRIMARY KEY (org, start)
ORDER BY (org, start, key, chain, method, outcome, prices)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS usage_hour AS usage_minute;

CREATE TABLE IF NOT EXISTS usage_day AS usage_minute;

-- The last first: from the moment that a view is there, it is fed.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_day_view TO usage_day AS
SELECT
    day, toStartOfDay(usage_hour.start) AS start, org, key, chain, method, outcome, prices,
    sum(calls) AS calls,
    sum(cu) AS cu,
    sum(request_bytes) AS request_bytes,
    sum(response_bytes) AS response_bytes,
    sum(latency_us) AS latency_us,
    quantilesTDigestMergeState(0.5, 0.9, 0.99)(latency) AS latency
FROM usage_hour
GROUP BY ALL;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_hour_view TO usage_hour AS
SELECT
    day, toStartOfHour(usage_minute.start) AS start, org, key, chain, method, outcome, prices,
    sum(calls) AS calls,
    sum(cu) AS cu,
    sum(request_bytes) AS request_bytes,
    sum(response_bytes) AS response_bytes,
    sum(latency_us) AS latency_us,
    quantilesTDigestMergeState(0.5, 0.9, 0.99)(latency) AS latency
FROM usage_minute
GROUP BY ALL;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_minute_view TO usage_minute AS
SELECT
    day, toStartOfMinute(time) AS start, org, key, chain, method, outcome, prices,
    count() AS calls,
    sum(cu) AS cu,
    sum(request_bytes) AS request_bytes,
    sum(response_bytes) AS response_bytes,
    sum(events.latency_us) AS latency_us,
    quantilesTDigestState(0.5, 0.9, 0.99)(events.latency_us) AS latency
FROM events
GROUP BY ALL;
