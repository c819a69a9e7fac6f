/* scenarios/schema.json says what schema.c's tables say: keys, types, limits, legal words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include <jansson.h>

#include "scenario/schema.h"

static json_t *root;

/* Follows a reference such as #/$defs/range; a description may stand beside it. */
static const json_t *resolved(const json_t *schema) {
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    if (reference == NULL) {
        return schema;
    }
    assert_int_equal(strncmp(reference, "#/$defs/", 8), 0);
    const json_t *found = json_object_get(json_object_get(root, "$defs"), reference + 8);
    assert_non_null(found);
    return found;
}

static void check_text(const json_t *schema, const char *key, const char *expected, const char *where) {
    const char *found = json_string_value(json_object_get(schema, key));
    if (found == NULL || strcmp(found, expected) != 0) {
        fail_msg("%s: %s is %s, not %s", where, key, found != NULL ? found : "absent", expected);
    }
}

static void check_number(const json_t *schema, const char *key, uint64_t expected, const char *where) {
    const json_t *found = json_object_get(schema, key);
    if (!json_is_integer(found) || (uint64_t)json_integer_value(found) != expected) {
        fail_msg("%s: %s is not %llu", where, key, (unsigned long long)expected);
    }
}

static bool contains(const json_t *array, const char *word) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), word) == 0) {
            return true;
        }
    }
    return false;
}

static void check(const json_t *unresolved, const cyaml_schema_value_t *table, const char *where);

static void check_mapping(const json_t *schema, const cyaml_schema_value_t *table, const char *where) {
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    size_t keys = 0;
    size_t mandatory = 0;
    check_text(schema, "type", "object", where);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    for (const cyaml_schema_field_t *field = table->mapping.fields; field->key != NULL; field++) {
        const json_t *property = json_object_get(properties, field->key);
        bool optional = ((unsigned)field->value.flags & CYAML_FLAG_OPTIONAL) != 0;
        if (property == NULL || contains(required, field->key) == optional) {
            fail_msg("%s: the key %s is missing, or is wrongly required", where, field->key);
        }
        check(property, &field->value, field->key);
        keys++;
        mandatory += !optional;
    }
    assert_int_equal(json_object_size(properties), keys);
    assert_int_equal(json_array_size(required), mandatory);
}

static void check_words(const json_t *schema, const cyaml_schema_value_t *table) {
    const json_t *words = json_object_get(schema, "enum");
    assert_int_equal(json_array_size(words), table->enumeration.count);
    for (uint32_t i = 0; i < table->enumeration.count; i++) {
        assert_true(contains(words, table->enumeration.strings[i].str));
    }
}

static void check(const json_t *unresolved, const cyaml_schema_value_t *table, const char *where) {
    const json_t *schema = resolved(unresolved);
    switch (table->type) {
    case CYAML_MAPPING:
        check_mapping(schema, table, where);
        break;
    case CYAML_SEQUENCE:
        check_text(schema, "type", "array", where);
        check_number(schema, "minItems", table->sequence.min, where);
        check_number(schema, "maxItems", table->sequence.max, where);
        check(json_object_get(schema, "items"), table->sequence.entry, where);
        break;
    case CYAML_UINT:
        check_text(schema, "type", "integer", where);
        check_number(schema, "minimum", schema_limit_of(where)->low, where);
        check_number(schema, "maximum", schema_limit_of(where)->high, where);
        break;
    case CYAML_ENUM:
        check_words(schema, table);
        break;
    default:
        assert_int_equal(table->type, CYAML_STRING);
        check_text(schema, "type", "string", where);
        check_number(schema, "minLength", table->string.min, where);
        check_number(schema, "maxLength", table->string.max, where);
        break;
    }
}

static void the_json_schema_says_what_the_tables_say(void **state) {
    (void)state;
    json_error_t error;
    root = json_load_file(SHIPPED_SCENARIOS "/schema.json", JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", error.source, error.line, error.text);
    }
    const json_t *parts = json_object_get(root, "$defs");
    check(json_object_get(parts, "scenario"), &schema_scenario, "scenario");
    check(json_object_get(parts, "suite"), &schema_suite, "suite");
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_schema_says_what_the_tables_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
