-- One row a call. A segment of a gateway's spool is one INSERT, one block and one
-- part: that is why the partition is the day in which the segment began, and not
-- the day of the call.
--
-- The order serves what is asked of one organisation, and gives its rows out in
-- the order of their identity (gateway, epoch, seq, row) without sorting. Within
-- an organisation that is the order of time as well, so that the index on the
-- segment and the one on the time skip what is of no concern.
CREATE TABLE IF NOT EXISTS events
(
    day            Date COMMENT 'UTC day of the first call in the segment: the partition' CODEC(ZSTD(1)),
    gateway        LowCardinality(String) COMMENT 'id of the gateway that answered the call' CODEC(ZSTD(1)),
    epoch          UInt64 COMMENT 'start of the gateway, ascending; not less than its Unix time in milliseconds' CODEC(Delta, ZSTD(1)),
    seq            UInt32 COMMENT 'number of the segment within the epoch, from 1' CODEC(Delta, ZSTD(1)),
    row            UInt32 COMMENT 'number of the call within the segment, from 0; (gateway, epoch, seq, row) names a call for good' CODEC(Delta, ZSTD(1)),
    time           DateTime64(6, 'UTC') COMMENT 'when the call ended, by the clock of the gateway' CODEC(Delta, ZSTD(1)),
    org            UInt64 COMMENT 'organisation that is charged; 0: unknown' CODEC(Delta, ZSTD(1)),
    key            UInt64 COMMENT 'key that the call came with; 0: unknown' CODEC(ZSTD(1)),
    request_id     UInt64 COMMENT 'HTTP request; the calls of a batch share it' CODEC(ZSTD(1)),
    chain          LowCardinality(String) COMMENT 'slug of the chain' CODEC(ZSTD(1)),
    method         LowCardinality(String) COMMENT 'JSON-RPC method, or "other"' CODEC(ZSTD(1)),
    upstream       LowCardinality(String) COMMENT 'upstream that was asked last; empty: none' CODEC(ZSTD(1)),
    prices         LowCardinality(String) COMMENT 'version of the price table that cu comes from' CODEC(ZSTD(1)),
    outcome        LowCardinality(String) COMMENT 'what came of the call, such as "answered"' CODEC(ZSTD(1)),
    flags          UInt8 COMMENT 'sum of: 1 in a batch, 2 notification, 4 more than one upstream was tried' CODEC(ZSTD(1)),
    rpc_code       Int16 COMMENT 'code of the JSON-RPC error, the nearest Int16; 0: none' CODEC(ZSTD(1)),
    cu             UInt32 COMMENT 'compute units charged' CODEC(ZSTD(1)),
    latency_us     UInt32 COMMENT 'microseconds from the request to its answer' CODEC(ZSTD(1)),
    request_bytes  UInt32 COMMENT 'bytes of the call' CODEC(ZSTD(1)),
    response_bytes UInt32 COMMENT 'bytes of its answer' CODEC(ZSTD(1)),
    INDEX segment (epoch, seq) TYPE minmax GRANULARITY 1,
    INDEX time time TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY day
PRIMARY KEY (org, gateway, epoch, seq)
ORDER BY (org, gateway, epoch, seq, row)
SETTINGS
    non_replicated_deduplication_window = 10000,
    -- What is acknowledged is deleted at the gateway: it must outlive a power
    -- failure here.
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    -- A row keeps the number of the block that it came in: it tells how many
    -- blocks ago that was, and so whether the window still knows it.
    enable_block_number_column = 1,
    ttl_only_drop_parts = 1;

-- One row a stored segment. It is written when all rows of the segment and of its
-- rollups are stored, so it says that they are.
CREATE TABLE IF NOT EXISTS segments
(
    gateway   LowCardinality(String) COMMENT 'as in events',
    epoch     UInt64                 COMMENT 'as in events',
    seq       UInt32                 COMMENT 'as in events',
    rows      UInt32                 COMMENT 'calls in the segment',
    cu        UInt64                 COMMENT 'sum of their compute units',
    first     DateTime64(6, 'UTC')   COMMENT 'earliest time of a call in it',
    last      DateTime64(6, 'UTC')   COMMENT 'latest time of a call in it',
    sha256    FixedString(32)        COMMENT 'hash of the segment''s file, all but the hash itself',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when it was stored, by the clock of this server'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(first)
ORDER BY (gateway, epoch, seq)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
