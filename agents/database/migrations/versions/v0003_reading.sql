-- What people ask the database: functions and views over the tables. Written as percent, not as
-- ratios, except where a name says share. A time span is span_start <= t < span_end, in whole
-- minutes of UTC. Everything here can be made again from the tables.

CREATE INDEX windows_by_operation ON opwatch.windows (operation, start_at)
--;

CREATE FUNCTION opwatch.digest_centroids(digest bytea)
RETURNS TABLE (duration_ms double precision, operations double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  WITH layout AS (
    SELECT get_byte(digest, 0) AS code,
           CASE get_byte(digest, 0) WHEN 0 THEN 0 WHEN 1 THEN 2 WHEN 2 THEN 4 ELSE 8 END AS width
  ), counted AS (
    SELECT code, width, (length(digest) - 1) / (4 + width) AS n FROM layout
  ), places AS (
    SELECT code, 1 + 4 * i AS m, 1 + 4 * n + width * i AS c
    FROM counted, generate_series(0, n - 1) AS i
  ), bits AS (
    SELECT code, c,
           (get_byte(digest, m + 3) & 127) * 2 + (get_byte(digest, m + 2) >> 7) AS exponent,
           get_byte(digest, m) + get_byte(digest, m + 1) * 256
             + (get_byte(digest, m + 2) & 127) * 65536 AS mantissa
    FROM places
  )
  SELECT CASE WHEN exponent = 0 THEN mantissa * power(2::double precision, -149)
              ELSE (mantissa + 8388608) * power(2::double precision, exponent - 150) END,
         CASE code
           WHEN 0 THEN 1
           WHEN 1 THEN get_byte(digest, c) + get_byte(digest, c + 1) * 256
           WHEN 2 THEN get_byte(digest, c) + get_byte(digest, c + 1) * 256
             + get_byte(digest, c + 2) * 65536 + get_byte(digest, c + 3)::bigint * 16777216
           ELSE (4503599627370496 + (get_byte(digest, c + 6) & 15)::bigint * 281474976710656
             + get_byte(digest, c + 5)::bigint * 1099511627776
             + get_byte(digest, c + 4)::bigint * 4294967296
             + get_byte(digest, c + 3)::bigint * 16777216 + get_byte(digest, c + 2) * 65536
             + get_byte(digest, c + 1) * 256 + get_byte(digest, c))
             * power(2::double precision,
                     get_byte(digest, c + 7) * 16 + (get_byte(digest, c + 6) >> 4) - 1075)
         END
  FROM bits
$$
--;

COMMENT ON FUNCTION opwatch.digest_centroids(bytea) IS
  'The centroids of windows.digest: how many operations took how long. Weighted means of close durations; equal durations are one centroid.'
--;

CREATE FUNCTION opwatch.window_ranges(span_start timestamptz, span_end timestamptz)
RETURNS TABLE (size text, range_start timestamptz, range_end timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  sizes CONSTANT text[] := ARRAY['1m', '5m', '1h', '6h', '24h', '7d'];
  spans CONSTANT interval[] := ARRAY['1 minute', '5 minutes', '1 hour', '6 hours', '24 hours',
                                     '168 hours']::interval[];
  monday CONSTANT timestamptz := '1970-01-05 00:00:00+00';
  begins timestamptz;  -- of the windows of a size that lie in the span, …
  ends timestamptz;
  inner_start timestamptz;  -- … and of the larger ones
  inner_end timestamptz;
  settled timestamptz;
BEGIN
  FOR i IN REVERSE 6..1 LOOP
    begins := date_bin(spans[i], span_start + spans[i] - interval '1 microsecond', monday);
    ends := date_bin(spans[i], span_end, monday);
    IF i > 1 THEN  -- where the last ones are not final yet, smaller ones are newer
      SELECT max(w.end_at) INTO settled FROM opwatch.windows w
      WHERE w.series = '*' AND w.size = sizes[i] AND w.final
        AND w.start_at >= ends - 3 * spans[i] AND w.start_at < ends;
      ends := coalesce(settled, ends - 3 * spans[i]);
    END IF;
    size := sizes[i];
    range_start := begins;
    range_end := coalesce(inner_start, ends);
    IF range_start < range_end THEN RETURN NEXT; END IF;
    range_start := inner_end;
    range_end := ends;
    IF range_start < range_end THEN RETURN NEXT; END IF;
    IF begins < ends OR inner_start IS NOT NULL THEN
      inner_start := least(begins, inner_start);
      inner_end := greatest(ends, inner_end);
    END IF;
  END LOOP;
END
$$
--;

COMMENT ON FUNCTION opwatch.window_ranges(timestamptz, timestamptz) IS
  'Which windows make up a span: weeks and days inside it, hours and minutes at its edges, and smaller ones where larger ones are not final yet.'
--;

CREATE FUNCTION opwatch.windows_in(
  span_start timestamptz, span_end timestamptz,
  of_operation text DEFAULT NULL, of_platform text DEFAULT NULL
) RETURNS SETOF opwatch.windows
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  part record;
BEGIN
  FOR part IN SELECT * FROM opwatch.window_ranges(span_start, span_end) LOOP
    RETURN QUERY SELECT w.* FROM opwatch.windows w
      WHERE w.size = part.size
        AND w.start_at >= part.range_start AND w.start_at < part.range_end
        AND (of_operation IS NULL OR w.operation = of_operation)
        AND (of_platform IS NULL OR w.platform = of_platform);
  END LOOP;
END
$$
--;

COMMENT ON FUNCTION opwatch.windows_in(timestamptz, timestamptz, text, text) IS
  'The windows that make up a span: each operation is in exactly one window of its series. of_operation ''*'': all operations together; NULL: every series.'
--;

CREATE FUNCTION opwatch.quality_windows_in(span_start timestamptz, span_end timestamptz)
RETURNS SETOF opwatch.quality_windows
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  part record;
BEGIN
  FOR part IN SELECT * FROM opwatch.window_ranges(span_start, span_end) LOOP
    RETURN QUERY SELECT w.* FROM opwatch.quality_windows w
      WHERE w.size = part.size
        AND w.start_at >= part.range_start AND w.start_at < part.range_end;
  END LOOP;
END
$$
--;

COMMENT ON FUNCTION opwatch.quality_windows_in(timestamptz, timestamptz) IS
  'The windows of scores that make up a span: each score is in exactly one window of its series.'
--;

CREATE FUNCTION opwatch.figures(
  span_start timestamptz, span_end timestamptz,
  of_operation text DEFAULT NULL, of_platform text DEFAULT NULL
) RETURNS TABLE (
  series text, operation text, platform text, confidence text,
  count bigint, successes bigint, failures bigint, missing bigint,
  success_rate double precision, error_rate double precision,
  mean_ms double precision, min_ms double precision, max_ms double precision,
  lookups bigint, hit_rate double precision, miss_rate double precision,
  eviction_rate double precision, average_ttl_s double precision,
  mean_confidence double precision
) LANGUAGE sql STABLE AS $$
  SELECT w.series, min(w.operation), min(w.platform), min(w.confidence),
         sum(w.count)::bigint, sum(w.successes)::bigint, sum(w.failures)::bigint,
         sum(w.missing)::bigint,
         100 * sum(w.successes)::double precision / nullif(sum(w.count), 0),
         100 * sum(w.failures)::double precision / nullif(sum(w.count), 0),
         sum(w.duration_sum_ms) / nullif(sum(w.count), 0),
         min(w.min_ms), max(w.max_ms),
         sum(w.cache_lookups)::bigint,
         100 * sum(w.cache_hits)::double precision / nullif(sum(w.cache_lookups), 0),
         100 * sum(w.cache_misses)::double precision / nullif(sum(w.cache_lookups), 0),
         100 * sum(w.cache_evictions)::double precision / nullif(sum(w.cache_lookups), 0),
         sum(w.cache_average_ttl_s * w.cache_ttl_count) / nullif(sum(w.cache_ttl_count), 0),
         sum(w.mean_confidence * w.confidence_count) / nullif(sum(w.confidence_count), 0)
  FROM opwatch.windows_in(span_start, span_end, of_operation, of_platform) w
  GROUP BY w.series
$$
--;

COMMENT ON FUNCTION opwatch.figures(timestamptz, timestamptz, text, text) IS
  'Counts, rates (per cent), durations and cache of each series over any span. Percentiles: see percentiles().'
--;

CREATE FUNCTION opwatch.percentiles(
  ranks double precision[], span_start timestamptz, span_end timestamptz,
  of_operation text DEFAULT NULL, of_platform text DEFAULT NULL
) RETURNS TABLE (series text, percentile double precision, duration_ms double precision)
LANGUAGE sql STABLE AS $$
  WITH centroids AS (
    SELECT w.series, c.duration_ms AS m, sum(c.operations) AS c
    FROM opwatch.windows_in(span_start, span_end, of_operation, of_platform) w,
         opwatch.digest_centroids(w.digest) c
    GROUP BY w.series, c.duration_ms
  ), ends AS (
    SELECT series, m, sum(c) OVER (PARTITION BY series ORDER BY m) AS until,
           sum(c) OVER (PARTITION BY series) AS n
    FROM centroids
  ), places AS (
    SELECT series, until, m, n, p, p / 100 * (n - 1) AS place FROM ends, unnest(ranks) AS p
  ), neighbours AS (
    SELECT series, p, min(place) - floor(min(place)) AS share,
           min(m) FILTER (WHERE until > floor(place)) AS below,
           min(m) FILTER (WHERE until > least(floor(place) + 1, n - 1)) AS above
    FROM places GROUP BY series, p
  )
  SELECT series, p, below::real::text::double precision
    + (above::real::text::double precision - below::real::text::double precision) * share
  FROM neighbours
$$
--;

COMMENT ON FUNCTION opwatch.percentiles(double precision[], timestamptz, timestamptz, text, text) IS
  'Percentiles (0 to 100) of durations over any span, from merged digests: never a mean of percentiles. As numpy''s default, within 0.5 % in value or 0.1 point in rank.'
--;

CREATE FUNCTION opwatch.by_platform(
  span_start timestamptz, span_end timestamptz, of_operation text DEFAULT '*'
) RETURNS TABLE (
  platform text, count bigint, failures bigint, success_rate double precision,
  mean_ms double precision, p50_ms double precision, p90_ms double precision,
  p95_ms double precision, p99_ms double precision, hit_rate double precision,
  miss_rate double precision, count_before bigint, success_rate_before double precision,
  p95_ms_before double precision, hit_rate_before double precision
) LANGUAGE sql STABLE AS $$
  WITH now AS (
    SELECT * FROM opwatch.figures(span_start, span_end, of_operation) WHERE confidence IS NULL
  ), before AS (
    SELECT * FROM opwatch.figures(span_start - (span_end - span_start), span_start, of_operation)
  ), durations AS (
    SELECT series, max(duration_ms) FILTER (WHERE percentile = 50) AS p50,
           max(duration_ms) FILTER (WHERE percentile = 90) AS p90,
           max(duration_ms) FILTER (WHERE percentile = 95) AS p95,
           max(duration_ms) FILTER (WHERE percentile = 99) AS p99
    FROM opwatch.percentiles('{50,90,95,99}', span_start, span_end, of_operation) GROUP BY series
  ), durations_before AS (
    SELECT series, duration_ms AS p95
    FROM opwatch.percentiles('{95}', span_start - (span_end - span_start), span_start, of_operation)
  )
  SELECT now.platform, now.count, now.failures, now.success_rate, now.mean_ms,
         durations.p50, durations.p90, durations.p95, durations.p99, now.hit_rate, now.miss_rate,
         before.count, before.success_rate, durations_before.p95, before.hit_rate
  FROM now LEFT JOIN before USING (series) LEFT JOIN durations USING (series)
       LEFT JOIN durations_before USING (series)
  ORDER BY now.platform NULLS FIRST
$$
--;

COMMENT ON FUNCTION opwatch.by_platform(timestamptz, timestamptz, text) IS
  'Success rate, percentiles and cache of each platform (NULL: all together) over any span, beside the span of the same length before it.'
--;

CREATE FUNCTION opwatch.worst_platforms(
  span_start timestamptz, span_end timestamptz,
  least_count bigint DEFAULT 100, of_operation text DEFAULT '*'
) RETURNS TABLE (
  platform text, count bigint, failures bigint, success_rate double precision,
  success_rate_before double precision, share_of_failures double precision
) LANGUAGE sql STABLE AS $$
  SELECT now.platform, now.count, now.failures, now.success_rate, before.success_rate,
         100 * now.failures / nullif(sum(now.failures) OVER (), 0)::double precision
  FROM opwatch.figures(span_start, span_end, of_operation) now
       LEFT JOIN opwatch.figures(span_start - (span_end - span_start), span_start, of_operation) before
       USING (series)
  WHERE now.platform IS NOT NULL AND now.count >= least_count
  ORDER BY now.success_rate, now.count DESC
$$
--;

COMMENT ON FUNCTION opwatch.worst_platforms(timestamptz, timestamptz, bigint, text) IS
  'Platforms with the lowest success rates first, of those with enough operations to tell.'
--;

CREATE FUNCTION opwatch.failures_by_type(
  span_start timestamptz, span_end timestamptz,
  of_operation text DEFAULT '*', of_platform text DEFAULT NULL
) RETURNS TABLE (error_type text, failures bigint, share double precision)
LANGUAGE sql STABLE AS $$
  WITH named AS (
    SELECT w.failures_by_type AS found
    FROM opwatch.windows_in(span_start, span_end, of_operation, of_platform) w
    WHERE w.platform IS NOT DISTINCT FROM of_platform AND w.confidence IS NULL
      AND w.failures_by_type IS NOT NULL
  ), counted AS (
    SELECT it ->> 'name' AS name, (it ->> 'count')::bigint AS number
    FROM named, jsonb_array_elements(found -> 'most_frequent') AS it
    UNION ALL SELECT '(other)', (found ->> 'other')::bigint FROM named
    UNION ALL SELECT '(unnamed)', (found ->> 'unnamed')::bigint FROM named
  )
  SELECT name, sum(number)::bigint, 100 * sum(number)::double precision / sum(sum(number)) OVER ()
  FROM counted GROUP BY name HAVING sum(number) > 0
  ORDER BY name IN ('(other)', '(unnamed)'), sum(number) DESC
$$
--;

COMMENT ON FUNCTION opwatch.failures_by_type(timestamptz, timestamptz, text, text) IS
  'Failures by their error_type over any span. A window names its ten most frequent types: a rarer one may be in (other) in part.'
--;

CREATE FUNCTION opwatch.error_budget(
  objective numeric, span_start timestamptz, span_end timestamptz,
  of_operation text DEFAULT '*', of_platform text DEFAULT NULL, below_ms real DEFAULT NULL
) RETURNS TABLE (
  operations bigint, bad bigint, compliance double precision, is_met boolean,
  budget double precision, budget_left double precision, burn_rate double precision
) LANGUAGE sql STABLE AS $$
  WITH counted AS (
    SELECT sum(w.count)::bigint AS total,
           CASE WHEN below_ms IS NULL THEN sum(w.failures)::bigint
                ELSE round(sum((SELECT sum(c.operations) FROM opwatch.digest_centroids(w.digest) c
                                WHERE c.duration_ms >= below_ms)))::bigint END AS bad
    FROM opwatch.windows_in(span_start, span_end, of_operation, of_platform) w
    WHERE w.platform IS NOT DISTINCT FROM of_platform AND w.confidence IS NULL
  ), known AS (
    -- numeric: of 99.9 %, a thousandth of 30,000 is 30 to the last digit
    SELECT total, coalesce(bad, 0) AS bad, (100 - objective) * total / 100 AS budget FROM counted
  )
  SELECT total, bad, 100 - 100 * bad::double precision / total,
         bad <= budget, budget, 100 - 100 * bad / budget, bad / budget
  FROM known WHERE total > 0
$$
--;

COMMENT ON FUNCTION opwatch.error_budget(numeric, timestamptz, timestamptz, text, text, real) IS
  'How an objective (per cent) is met over a span: compliance and error budget left in per cent (negative: overspent), as Sloth and Pyrra define it, by operations: 1 - (bad / operations) / (1 - objective). With below_ms, bad is what took that long or longer.'
--;

CREATE FUNCTION opwatch.error_budget_by_month(
  objective numeric, months integer DEFAULT 12,
  of_operation text DEFAULT '*', of_platform text DEFAULT NULL, below_ms real DEFAULT NULL
) RETURNS TABLE (
  month date, operations bigint, bad bigint, compliance double precision, is_met boolean,
  budget double precision, budget_left double precision, burn_rate double precision
) LANGUAGE sql STABLE AS $$
  SELECT begins::date, e.*
  FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC') - (months - 1) * interval '1 month',
                       now() AT TIME ZONE 'UTC', interval '1 month') AS begins,
       opwatch.error_budget(objective, begins AT TIME ZONE 'UTC',
                    (begins + interval '1 month') AT TIME ZONE 'UTC',
                    of_operation, of_platform, below_ms) e
  ORDER BY begins
$$
--;

COMMENT ON FUNCTION opwatch.error_budget_by_month(numeric, integer, text, text, real) IS
  'error_budget() of each calendar month (UTC), the current one so far.'
--;

CREATE VIEW opwatch.alert_history AS
  SELECT a.id, a.rule, a.series, a.severity, a.state, a.why, a.summary, a.opened_at,
         sent.first_at AS notified_at, coalesce(sent.messages, 0) AS messages, sent.channels,
         k.at AS acknowledged_at, k.by AS acknowledged_by, a.resolved_at,
         sent.first_at - a.opened_at AS time_to_notify,
         k.at - a.opened_at AS time_to_acknowledge,
         a.resolved_at - a.opened_at AS time_to_resolve
  FROM opwatch.alerts a
       LEFT JOIN opwatch.acknowledgements k ON k.alert = a.id
       LEFT JOIN LATERAL (
         SELECT min(n.decided_at) AS first_at,
                count(DISTINCT coalesce(n.batch, n.delivery, n.id)) AS messages,
                array_agg(DISTINCT n.channel ORDER BY n.channel) AS channels
         FROM opwatch.notifications n
         WHERE n.alert = a.id AND n.reason = 'sent'
       ) sent ON true
--;

COMMENT ON VIEW opwatch.alert_history IS
  'Each episode of an alert: when people were notified, who acknowledged, and how long it took; from when it opened. NULL: not yet, or never.'
--;

CREATE VIEW opwatch.alerts_nobody_acted_on AS
  SELECT id, rule, series, severity, state, why, opened_at, notified_at, messages, channels,
         resolved_at, time_to_resolve
  FROM opwatch.alert_history
  WHERE notified_at IS NOT NULL AND acknowledged_at IS NULL
--;

COMMENT ON VIEW opwatch.alerts_nobody_acted_on IS
  'Alerts that people were notified of and that nobody acknowledged: those that resolve by themselves are candidates for a higher threshold.'
--;

CREATE VIEW opwatch.pages_by_week AS
  SELECT date_trunc('week', n.decided_at AT TIME ZONE 'UTC')::date AS week, n.rule, n.severity,
         count(DISTINCT coalesce(n.batch, n.delivery, n.id)) AS pages,
         count(DISTINCT n.alert) AS alerts,
         count(DISTINCT n.alert) FILTER (WHERE k.alert IS NOT NULL) AS acknowledged,
         count(DISTINCT n.alert) FILTER (WHERE k.alert IS NULL) AS nobody_acted
  FROM opwatch.notifications n LEFT JOIN opwatch.acknowledgements k ON k.alert = n.alert
  WHERE n.reason = 'sent' AND n.event IN ('opened', 'severity_raised', 'escalated')
  GROUP BY 1, 2, 3
--;

COMMENT ON VIEW opwatch.pages_by_week IS
  'Messages that ask people to act (opened, raised, escalated) by week (from Monday, UTC), rule and severity, and how many alerts they were about.'
--;

CREATE VIEW opwatch.quality_trend AS
  SELECT w.size, w.start_at, w.dimension, w.operation, w.platform, w.model, w.count,
         w.mean, w.p5, 100 * w.good::double precision / nullif(w.count, 0) AS good_share,
         100 * w.acceptable::double precision / nullif(w.count, 0) AS acceptable_share,
         w.mean - lag(w.mean) OVER series AS change,
         w.trend ->> 'verdict' AS verdict, w.final
  FROM opwatch.quality_windows w
  WHERE w.size IN ('1h', '24h', '7d')
  WINDOW series AS (PARTITION BY w.series, w.size ORDER BY w.start_at)
--;

COMMENT ON VIEW opwatch.quality_trend IS
  'Scores (0 to 1) by hour, day and week, with the change since the window before. Choose a size, a dimension (overall), and operation ''*'' for all.'
--;

CREATE VIEW opwatch.calibration_trend AS
  SELECT c.size, c.start_at, c.service, c.operation, c.model, c.count, 100 * c.accuracy AS accuracy,
         (c.confidence ->> 'expected_calibration_error')::double precision AS confidence_error,
         (c.confidence ->> 'brier_score')::double precision AS confidence_brier,
         (c.overall ->> 'expected_calibration_error')::double precision AS score_error,
         (c.overall ->> 'brier_score')::double precision AS score_brier,
         100 * (c.accuracy - lag(c.accuracy) OVER series) AS change
  FROM opwatch.calibrations c
  WINDOW series AS (PARTITION BY c.service, c.operation, c.model, c.size ORDER BY c.start_at)
--;

COMMENT ON VIEW opwatch.calibration_trend IS
  'How often analyses were right by their labels (per cent), and how far the service''s confidence and opwatch''s score were from that (0 is best), window by window.'
