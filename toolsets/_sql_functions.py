"""Which functions a query may call, by name.

ALLOWED are functions of PostgreSQL that compute, or read what the catalogs show everybody. A test
asks a real server about each of them: that it exists, and that it is immutable or stable unless it
is in HARMLESS_THOUGH_VOLATILE.

NEVER are names of functions that a READ ONLY transaction does not stop: they act outside of the
transaction (backends, files, the server, locks, other servers), change what a query is bound by,
or run SQL from a text, which the guard cannot see. They are refused in every schema, also under
AllowAnyFunction.

What this does not tell: a function somebody created in the database is judged by its name alone,
and may do anything its owner wrote into it.
"""

_ALLOWED = {
    "aggregates": """
        any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop
        covar_samp every json_agg json_agg_strict json_object_agg json_object_agg_strict
        json_object_agg_unique json_object_agg_unique_strict jsonb_agg jsonb_agg_strict
        jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
        jsonb_object_agg_unique_strict max min mode percentile_cont percentile_disc range_agg
        range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
        regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp
        variance xmlagg""",
    "window functions": """
        cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
        row_number""",
    "numbers": """
        abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos
        cosd cosh cot cotd degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log
        log10 min_scale mod pi pow power radians random random_normal round scale sign sin sind
        sinh sqrt tan tand tanh to_bin to_hex to_oct trim_scale trunc width_bucket""",
    "text": """
        ascii bit_length btrim casefold char_length character_length chr concat concat_ws format
        initcap is_normalized left length like_escape lower lpad ltrim md5 normalize octet_length
        overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count
        regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
        regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim
        similar_to_escape split_part starts_with string_to_array string_to_table strpos substr
        substring to_ascii translate unicode_assigned unistr upper""",
    "bytes and bits": """
        bit_count convert convert_from convert_to crc32 crc32c decode encode get_bit get_byte
        set_bit set_byte sha224 sha256 sha384 sha512""",
    "dates and times": """
        age clock_timestamp date_add date_bin date_part date_subtract date_trunc extract isfinite
        justify_days justify_hours justify_interval make_date make_interval make_time
        make_timestamp make_timestamptz now overlaps statement_timestamp timeofday timezone
        to_char to_date to_number to_timestamp transaction_timestamp""",
    "conversions": """
        bit bool box bpchar bytea char cidr circle date float4 float8 int2 int4 int8 interval lseg
        macaddr macaddr8 money name numeric oid path point polygon text time timestamp timestamptz
        timetz varbit varchar xml""",
    "JSON": """
        array_to_json json_array_elements json_array_elements_text json_array_length
        json_build_array json_build_object json_each json_each_text json_extract_path
        json_extract_path_text json_object json_object_keys json_populate_record
        json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof
        jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
        jsonb_build_object jsonb_contains jsonb_each jsonb_each_text jsonb_extract_path
        jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists
        jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query
        jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first
        jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record
        jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax
        jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json
        to_jsonb""",
    "arrays, sets, ranges, enumerations": """
        array_append array_cat array_dims array_fill array_length array_lower array_ndims
        array_position array_positions array_prepend array_remove array_replace array_reverse
        array_sample array_shuffle array_sort array_to_string array_upper cardinality daterange
        datemultirange enum_first enum_last enum_range generate_series generate_subscripts
        int4multirange int4range int8multirange int8range isempty lower_inc lower_inf multirange
        num_nonnulls num_nulls nummultirange numrange range_merge trim_array tsmultirange tsrange
        tstzmultirange tstzrange unnest upper_inc upper_inf""",
    "text search": """
        array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode
        phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery to_tsvector ts_delete
        ts_filter ts_headline ts_lexize ts_rank ts_rank_cd tsquery_phrase tsvector_to_array
        websearch_to_tsquery""",
    "geometry, networks, UUIDs, XML": """
        abbrev area bound_box broadcast center diagonal diameter family gen_random_uuid height host
        hostmask inet_merge inet_same_family isclosed ishorizontal isopen isparallel isperp
        isvertical macaddr8_set7bit masklen netmask network npoints pclose popen radius
        set_masklen slope uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 width
        xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment
        xmlexists xmltext xpath xpath_exists""",
    "what the database shows of itself": """
        col_description current_database current_schema current_schemas format_type
        getdatabaseencoding has_any_column_privilege has_column_privilege has_database_privilege
        has_function_privilege has_schema_privilege has_sequence_privilege has_table_privilege
        has_type_privilege obj_description pg_backend_pid pg_collation_for pg_column_size
        pg_database_size pg_describe_object pg_encoding_to_char pg_get_constraintdef pg_get_expr
        pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result
        pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_partition_constraintdef
        pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid
        pg_get_viewdef pg_has_role pg_indexes_size pg_is_in_recovery pg_partition_ancestors
        pg_partition_root pg_partition_tree pg_postmaster_start_time pg_relation_size
        pg_size_bytes pg_size_pretty pg_table_is_visible pg_table_size pg_timezone_names
        pg_total_relation_size pg_type_is_visible pg_typeof row_security_active shobj_description
        system_user to_regclass to_regnamespace to_regproc to_regrole to_regtype version""",
}

ALLOWED = frozenset(name for names in _ALLOWED.values() for name in names.split())

_RETURNING_ROWS = """
    json_each json_each_text json_to_record json_to_recordset jsonb_each jsonb_each_text
    jsonb_to_record jsonb_to_recordset pg_get_keywords pg_partition_tree pg_timezone_names"""
OF_ROWS = frozenset(_RETURNING_ROWS.split())
"""Those of them that return rows with columns, whatever their arguments are.

json_populate_record and its like do not: theirs has the type of an argument. One that is no row is
an error when they run, but not every query runs what it names.
"""

_HARMLESS = """
    array_sample array_shuffle clock_timestamp gen_random_uuid pg_database_size pg_indexes_size
    pg_is_in_recovery pg_partition_ancestors pg_partition_tree pg_relation_size pg_table_size
    pg_total_relation_size random random_normal timeofday uuidv4 uuidv7"""
HARMLESS_THOUGH_VOLATILE = frozenset(_HARMLESS.split())

_NEVER = """
    blob_get blob_put gin_clean_pending_list http http_delete http_get http_head http_patch
    http_post http_put loread lowrite pg_cancel_backend pg_hba_file_rules
    pg_ident_file_mappings pg_nextoid pg_notify pg_prewarm pg_promote pg_reload_conf
    pg_show_all_file_settings pg_start_backup pg_stat_file pg_stop_backup
    pg_stop_making_pinned_objects pg_terminate_backend pg_truncate_visibility_map set_config
    ts_rewrite ts_stat xpath_table xslt_process"""

_NEVER_BEGINNING_WITH = """
    autoprewarm_ binary_upgrade_ brin_desummarize_ brin_summarize_ connectby crosstab
    cursor_to_xml database_to_xml dblink heap_force_ lo_ pg_advisory_ pg_backup_ pg_buffercache_
    pg_clear_ pg_copy_ pg_create_ pg_drop_ pg_export_ pg_file_ pg_import_ pg_log_ pg_logdir_
    pg_logical_ pg_ls_ pg_read_ pg_replication_ pg_restore_ pg_rotate_ pg_sleep pg_stat_force_
    pg_stat_get_activity pg_stat_get_backend_activity pg_stat_reset pg_stat_statements
    pg_switch_ pg_sync_ pg_try_advisory_ pg_wal_replay_ pgr_ postgres_fdw_ query_to_xml
    schema_to_xml table_to_xml"""

_NEVER_NAMES = frozenset(_NEVER.split())
_NEVER_PREFIXES = tuple(_NEVER_BEGINNING_WITH.split())


def is_never_allowed(name: str) -> bool:
    """Whether a function of this name is refused whatever the settings say."""
    return name in _NEVER_NAMES or name.startswith(_NEVER_PREFIXES)


def is_never_allowed_of_a_row(name: str) -> bool:
    """Whether it is one of those that take a row: `t.http` calls it where t has no such column."""
    return name == "http" or name.startswith("pg_restore_")
