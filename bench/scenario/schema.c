/* The tables of schema.h. */
#include "scenario/schema.h"

#include <string.h>

#include "scenario/scenario.h"

#define OPTIONAL CYAML_FLAG_OPTIONAL
#define TEXT_MAX 1024

static const cyaml_strval_t kinds[] = {
    {"pingpong", SCENARIO_PINGPONG}, {"churn", SCENARIO_CHURN},       {"burst", SCENARIO_BURST},
    {"bulk", SCENARIO_BULK},         {"handoff", SCENARIO_HANDOFF},   {"pipeline", SCENARIO_PIPELINE},
    {"relay", SCENARIO_RELAY},       {"fragment", SCENARIO_FRAGMENT}, {"thrash", SCENARIO_THRASH},
    {"scratch", SCENARIO_SCRATCH},   {"fanout", SCENARIO_FANOUT},     {"frames", SCENARIO_FRAMES},
    {"append", SCENARIO_APPEND},     {"ship", SCENARIO_SHIP},         {"assemble", SCENARIO_ASSEMBLE},
    {"pages", SCENARIO_PAGES},
};

static const cyaml_strval_t orders[] = {
    {"fifo", SCENARIO_ORDER_FIFO},
    {"lifo", SCENARIO_ORDER_LIFO},
    {"halves", SCENARIO_ORDER_HALVES},
    {"random", SCENARIO_ORDER_RANDOM},
};

static const cyaml_strval_t touches[] = {
    {"ends", SCENARIO_TOUCH_ENDS},
    {"pages", SCENARIO_TOUCH_PAGES},
};

static const cyaml_strval_t shares[] = {
    {"reference", SCENARIO_SHARE_REFERENCE},
    {"view", SCENARIO_SHARE_VIEW},
};

static const cyaml_schema_field_t range_fields[] = {
    CYAML_FIELD_UINT("low", CYAML_FLAG_DEFAULT, scenario_range, low),
    CYAML_FIELD_UINT("high", CYAML_FLAG_DEFAULT, scenario_range, high),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t weight_fields[] = {
    CYAML_FIELD_UINT("size", OPTIONAL, scenario_weight, size),
    CYAML_FIELD_UINT("low", OPTIONAL, scenario_weight, low),
    CYAML_FIELD_UINT("high", OPTIONAL, scenario_weight, high),
    CYAML_FIELD_UINT("weight", CYAML_FLAG_DEFAULT, scenario_weight, weight),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t weight_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, scenario_weight, weight_fields),
};

static const cyaml_schema_value_t size_entry = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint32_t),
};

static const cyaml_schema_field_t sizes_fields[] = {
    CYAML_FIELD_UINT("fixed", OPTIONAL, scenario_sizes, fixed),
    CYAML_FIELD_MAPPING_PTR("uniform", OPTIONAL, scenario_sizes, uniform, range_fields),
    CYAML_FIELD_MAPPING_PTR("log_uniform", OPTIONAL, scenario_sizes, log_uniform, range_fields),
    CYAML_FIELD_SEQUENCE("weighted", OPTIONAL | CYAML_FLAG_POINTER, scenario_sizes, weighted, &weight_entry, 1,
                         SCENARIO_SIZES_MAX),
    CYAML_FIELD_SEQUENCE("each", OPTIONAL | CYAML_FLAG_POINTER, scenario_sizes, each, &size_entry, 1,
                         SCENARIO_SIZES_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t phase_fields[] = {
    CYAML_FIELD_ENUM("kind", OPTIONAL | CYAML_FLAG_STRICT, scenario_phase, kind, kinds, CYAML_ARRAY_LEN(kinds)),
    CYAML_FIELD_STRING_PTR("trace", OPTIONAL | CYAML_FLAG_POINTER, scenario_phase, trace, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("shape", OPTIONAL | CYAML_FLAG_POINTER, scenario_phase, shape, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("name", OPTIONAL | CYAML_FLAG_POINTER, scenario_phase, name, 1, TEXT_MAX),
    CYAML_FIELD_UINT("operations", OPTIONAL, scenario_phase, operations),
    CYAML_FIELD_UINT("live", OPTIONAL, scenario_phase, live),
    CYAML_FIELD_UINT("burst", OPTIONAL, scenario_phase, burst),
    CYAML_FIELD_UINT("producers", OPTIONAL, scenario_phase, producers),
    CYAML_FIELD_UINT("consumers", OPTIONAL, scenario_phase, consumers),
    CYAML_FIELD_ENUM("order", OPTIONAL | CYAML_FLAG_STRICT, scenario_phase, order, orders, CYAML_ARRAY_LEN(orders)),
    CYAML_FIELD_UINT("retain", OPTIONAL, scenario_phase, retain),
    CYAML_FIELD_UINT("writes", OPTIONAL, scenario_phase, writes),
    CYAML_FIELD_ENUM("touch", OPTIONAL | CYAML_FLAG_STRICT, scenario_phase, touch, touches, CYAML_ARRAY_LEN(touches)),
    CYAML_FIELD_UINT("succession", OPTIONAL, scenario_phase, succession),
    CYAML_FIELD_UINT("idle_ms", OPTIONAL, scenario_phase, idle_ms),
    CYAML_FIELD_UINT("buffer", OPTIONAL, scenario_phase, buffer),
    CYAML_FIELD_UINT("header", OPTIONAL, scenario_phase, header),
    CYAML_FIELD_UINT("miss", OPTIONAL, scenario_phase, miss),
    CYAML_FIELD_ENUM("share", OPTIONAL | CYAML_FLAG_STRICT, scenario_phase, share, shares, CYAML_ARRAY_LEN(shares)),
    CYAML_FIELD_MAPPING_PTR("sizes", OPTIONAL, scenario_phase, sizes, sizes_fields),
    CYAML_FIELD_MAPPING_PTR("sizes_retained", OPTIONAL, scenario_phase, sizes_retained, sizes_fields),
    CYAML_FIELD_MAPPING_PTR("sizes_after", OPTIONAL, scenario_phase, sizes_after, sizes_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t phase_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, scenario_phase, phase_fields),
};

static const cyaml_schema_field_t scenario_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, scenario, name, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("asks", CYAML_FLAG_POINTER, scenario, asks, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("source", CYAML_FLAG_POINTER, scenario, source, 1, TEXT_MAX),
    CYAML_FIELD_UINT("threads", OPTIONAL, scenario, threads),
    CYAML_FIELD_SEQUENCE("phases", CYAML_FLAG_POINTER, scenario, phases, &phase_entry, 1, SCENARIO_PHASES_MAX),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t schema_scenario = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, scenario, scenario_fields),
};

static const cyaml_schema_value_t name_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};

static const cyaml_schema_field_t suite_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, scenario_suite, name, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("asks", CYAML_FLAG_POINTER, scenario_suite, asks, 1, TEXT_MAX),
    CYAML_FIELD_UINT("rounds", OPTIONAL, scenario_suite, rounds),
    CYAML_FIELD_SEQUENCE("scenarios", CYAML_FLAG_POINTER, scenario_suite, scenarios, &name_entry, 1, 1000),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t schema_suite = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, scenario_suite, suite_fields),
};

const cyaml_config_t schema_config = {
    .mem_fn = cyaml_mem,
    .log_fn = NULL,
    .log_level = CYAML_LOG_ERROR,
    .flags = CYAML_CFG_DEFAULT,
};

const schema_limit *schema_limit_of(const char *key) {
    static const schema_limit limits[] = {
        {"threads", 1, SCENARIO_THREADS_MAX},
        {"operations", 1, SCENARIO_OPERATIONS_MAX},
        {"live", 1, SCENARIO_LIVE_MAX},
        {"burst", 1, SCENARIO_BURST_MAX},
        {"weight", 1, SCENARIO_WEIGHT_MAX},
        {"fixed", 1, SCENARIO_SIZE_MAX},
        {"each", 1, SCENARIO_SIZE_MAX},
        {"size", 1, SCENARIO_SIZE_MAX},
        {"low", 1, SCENARIO_SIZE_MAX},
        {"high", 1, SCENARIO_SIZE_MAX},
        {"producers", 1, SCENARIO_THREADS_MAX - 1},
        {"consumers", 1, SCENARIO_THREADS_MAX - 1},
        {"retain", 1, 100},
        {"rounds", 1, SCENARIO_ROUNDS_MAX},
        {"writes", 2, SCENARIO_WRITES_MAX},
        {"succession", 1, SCENARIO_SUCCESSION_MAX},
        {"idle_ms", 1, SCENARIO_IDLE_MS_MAX},
        {"buffer", 1, SCENARIO_SIZE_MAX},
        {"header", 1, SCENARIO_SIZE_MAX},
        {"miss", 1, SCENARIO_MISS_MAX},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (strcmp(limits[i].key, key) == 0) {
            return &limits[i];
        }
    }
    return NULL;
}
