/* The two walkers over the tables of json_field.h. */
#include "reports/json_field.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(model_verdict) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(result_status) == sizeof(int), "words are stored as int");

/* ---- reading ---- */

bool json_fault(json_reader *reader, const char *format, ...) {
    if (!reader->failed) {
        reader->failed = true;
        int length = snprintf(reader->fault, sizeof reader->fault, "%s: ", reader->path);
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(reader->fault + length, sizeof reader->fault - (size_t)length, format, arguments);
        va_end(arguments);
    }
    return false;
}

static const char *type_name(const json_t *value) {
    static const char *const NAMES[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text", [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",    [JSON_FALSE] = "false",   [JSON_NULL] = "null",
    };
    return NAMES[json_typeof(value)];
}

/* What would be right for this field, for a complaint. */
static const char *expectation(const json_field *field, char *room, size_t size) {
    static const char *const KINDS[] = {
        [JSON_KIND_TEXT] = "a text",
        [JSON_KIND_COUNT] = "an integer from 0 to 9223372036854775807",
        [JSON_KIND_NUMBER] = "a number of at least 0",
        [JSON_KIND_SIGNED] = "an integer from -9223372036854775807 to 9223372036854775807",
        [JSON_KIND_REAL] = "a number",
        [JSON_KIND_FLAG] = "true or false",
        [JSON_KIND_WORD] = "",
        [JSON_KIND_OBJECT] = "an object",
        [JSON_KIND_OBJECTS] = "a list of objects",
        [JSON_KIND_TEXTS] = "a list of texts",
    };
    size_t used = (size_t)snprintf(room, size, "%s", KINDS[field->kind]);
    const char *separator = "one of ";
    for (size_t i = 0; field->kind == JSON_KIND_WORD && i < field->word_count; i++) {
        if (field->words[i] != NULL && used < size) {
            used += (size_t)snprintf(room + used, size - used, "%s\"%s\"", separator, field->words[i]);
            separator = ", ";
        }
    }
    if (field->rule != JSON_REQUIRED && used < size) {
        snprintf(room + used, size - used, " or null");
    }
    return room;
}

static bool wrong_type(json_reader *reader, const json_field *field, const json_t *value) {
    char room[200];
    return json_fault(reader, "is %s; expected %s", type_name(value), expectation(field, room, sizeof room));
}

static void set_unknown(const json_shape *shape, unsigned char *into) {
    static const uint64_t UNKNOWN_COUNT = MODEL_UNKNOWN;
    static const double UNKNOWN_NUMBER = MODEL_NAN;
    static const int64_t UNKNOWN_SIGNED = MODEL_UNKNOWN_SIGNED;
    for (size_t i = 0; i < shape->field_count; i++) {
        const json_field *field = &shape->fields[i];
        if (field->kind == JSON_KIND_COUNT) {
            memcpy(into + field->offset, &UNKNOWN_COUNT, sizeof UNKNOWN_COUNT);
        } else if (field->kind == JSON_KIND_NUMBER || field->kind == JSON_KIND_REAL) {
            memcpy(into + field->offset, &UNKNOWN_NUMBER, sizeof UNKNOWN_NUMBER);
        } else if (field->kind == JSON_KIND_SIGNED) {
            memcpy(into + field->offset, &UNKNOWN_SIGNED, sizeof UNKNOWN_SIGNED);
        } else if (field->kind == JSON_KIND_OBJECT) {
            set_unknown(field->shape, into + field->offset);
        } /* the rest is unknown when it is zero, as the arena hands it out */
    }
}

static bool read_text(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    if (!json_is_string(value)) {
        return wrong_type(reader, field, value);
    }
    const char *text = model_text(reader->arena, json_string_value(value));
    memcpy(into + field->offset, &text, sizeof text);
    return true;
}

static bool read_count(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    if (!json_is_integer(value)) {
        return wrong_type(reader, field, value);
    }
    json_int_t number = json_integer_value(value);
    if (number < 0) {
        char room[200];
        return json_fault(reader, "is %" JSON_INTEGER_FORMAT "; expected %s", number,
                          expectation(field, room, sizeof room));
    }
    uint64_t count = (uint64_t)number;
    memcpy(into + field->offset, &count, sizeof count);
    return true;
}

static bool read_signed(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    if (!json_is_integer(value)) {
        return wrong_type(reader, field, value);
    }
    int64_t number = json_integer_value(value);
    if (number == MODEL_UNKNOWN_SIGNED) {
        char room[200];
        return json_fault(reader, "is %" PRId64 "; expected %s", number, expectation(field, room, sizeof room));
    }
    memcpy(into + field->offset, &number, sizeof number);
    return true;
}

static bool read_number(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    if (!json_is_number(value)) {
        return wrong_type(reader, field, value);
    }
    double number = json_number_value(value);
    if (!isfinite(number) || (number < 0 && field->kind != JSON_KIND_REAL)) {
        char room[200];
        return json_fault(reader, "is %g; expected %s", number, expectation(field, room, sizeof room));
    }
    memcpy(into + field->offset, &number, sizeof number);
    return true;
}

static bool read_word(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    if (!json_is_string(value)) {
        return wrong_type(reader, field, value);
    }
    for (size_t i = 0; i < field->word_count; i++) {
        if (field->words[i] != NULL && strcmp(field->words[i], json_string_value(value)) == 0) {
            int word = (int)i;
            memcpy(into + field->offset, &word, sizeof word);
            return true;
        }
    }
    char room[200];
    return json_fault(reader, "is \"%.60s\"; expected %s", json_string_value(value),
                      expectation(field, room, sizeof room));
}

static bool read_list(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    if (!json_is_array(value)) {
        return wrong_type(reader, field, value);
    }
    size_t length = strlen(reader->path);
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *element = json_array_get(value, i);
        snprintf(reader->path + length, sizeof reader->path - length, "[%zu]", i);
        const void *item = NULL;
        if (field->kind == JSON_KIND_TEXTS) {
            if (!json_is_string(element)) {
                return json_fault(reader, "is %s; expected a text", type_name(element));
            }
            item = model_text(reader->arena, json_string_value(element));
        } else {
            void *node = model_allocate(reader->arena, field->shape->size);
            if (!json_shape_read(reader, field->shape, element, node)) {
                return false;
            }
            item = node;
        }
        model_append(reader->arena, into + field->offset, &count, item);
        memcpy(into + field->count_offset, &count, sizeof count);
        reader->path[length] = '\0';
    }
    return true;
}

static bool read_value(json_reader *reader, const json_field *field, const json_t *value, unsigned char *into) {
    switch (field->kind) {
    case JSON_KIND_TEXT:
        return read_text(reader, field, value, into);
    case JSON_KIND_COUNT:
        return read_count(reader, field, value, into);
    case JSON_KIND_SIGNED:
        return read_signed(reader, field, value, into);
    case JSON_KIND_NUMBER:
    case JSON_KIND_REAL:
        return read_number(reader, field, value, into);
    case JSON_KIND_WORD:
        return read_word(reader, field, value, into);
    case JSON_KIND_OBJECT:
        return json_shape_read(reader, field->shape, value, into + field->offset);
    case JSON_KIND_OBJECTS:
    case JSON_KIND_TEXTS:
        return read_list(reader, field, value, into);
    case JSON_KIND_FLAG:
        break;
    }
    if (!json_is_boolean(value)) {
        return wrong_type(reader, field, value);
    }
    bool flag = json_is_true(value);
    memcpy(into + field->offset, &flag, sizeof flag);
    return true;
}

void json_stranger(json_reader *reader, const char *key) {
    if (reader->strangers++ == 0) {
        snprintf(reader->stranger, sizeof reader->stranger, "%.80s%s%.60s", reader->path,
                 reader->path[0] == '\0' ? "" : ".", key);
    }
}

bool json_shape_has(const json_shape *shape, const char *key) {
    for (size_t i = 0; i < shape->field_count; i++) {
        if (strcmp(shape->fields[i].name, key) == 0) {
            return true;
        }
    }
    return false;
}

static void find_strangers(json_reader *reader, const json_shape *shape, const json_t *object) {
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (!json_shape_has(shape, key)) {
            json_stranger(reader, key);
        }
    }
}

bool json_shape_read(json_reader *reader, const json_shape *shape, const json_t *object, void *into) {
    if (!json_is_object(object)) {
        return json_fault(reader, "is %s; expected an object", type_name(object));
    }
    set_unknown(shape, into);
    size_t length = strlen(reader->path);
    if (length > 0) {
        find_strangers(reader, shape, object);
    }
    for (size_t i = 0; i < shape->field_count; i++) {
        const json_field *field = &shape->fields[i];
        snprintf(reader->path + length, sizeof reader->path - length, "%s%s", length == 0 ? "" : ".", field->name);
        const json_t *value = json_object_get(object, field->name);
        bool absent = value == NULL || (json_is_null(value) && field->rule != JSON_REQUIRED);
        if (value == NULL && field->rule != JSON_OPTIONAL) {
            char room[200];
            return json_fault(reader, "is missing; expected %s", expectation(field, room, sizeof room));
        }
        if (!absent && !read_value(reader, field, value, into)) {
            return false;
        }
        reader->path[length] = '\0';
    }
    return true;
}

/* ---- writing ---- */

static json_t *or_end(json_t *value) {
    if (value == NULL) {
        fputs("poolbuf: out of memory while writing JSON\n", stderr);
        exit(1);
    }
    return value;
}

static bool is_unknown(const json_shape *shape, const unsigned char *from);

json_t *json_text(const char *text) {
    json_t *value = json_string(text);
    if (value != NULL) {
        return value;
    }
    char *clean = strdup(text);
    for (char *byte = clean; byte != NULL && *byte != '\0'; byte++) {
        if ((unsigned char)*byte >= 0x80) {
            *byte = '?';
        }
    }
    value = clean == NULL ? NULL : json_string(clean);
    free(clean);
    return or_end(value);
}

static json_t *list_to_json(const json_field *field, const unsigned char *from) {
    json_t *list = or_end(json_array());
    void *const *items;
    size_t count;
    memcpy(&items, from + field->offset, sizeof items);
    memcpy(&count, from + field->count_offset, sizeof count);
    for (size_t i = 0; i < count; i++) {
        json_t *item = field->kind == JSON_KIND_TEXTS ? json_text(items[i]) : json_shape_write(field->shape, items[i]);
        or_end(json_array_append_new(list, item) == 0 ? list : NULL);
    }
    return list;
}

/* The field's value, or NULL when it is unknown. */
static json_t *value_to_json(const json_field *field, const unsigned char *from) {
    const unsigned char *at = from + field->offset;
    switch (field->kind) {
    case JSON_KIND_TEXT: {
        const char *text;
        memcpy(&text, at, sizeof text);
        return text == NULL ? NULL : json_text(text);
    }
    case JSON_KIND_COUNT: {
        uint64_t count;
        memcpy(&count, at, sizeof count);
        return count > INT64_MAX ? NULL : or_end(json_integer((json_int_t)count));
    }
    case JSON_KIND_SIGNED: {
        int64_t number;
        memcpy(&number, at, sizeof number);
        return number == MODEL_UNKNOWN_SIGNED ? NULL : or_end(json_integer(number));
    }
    case JSON_KIND_NUMBER:
    case JSON_KIND_REAL: {
        double number;
        memcpy(&number, at, sizeof number);
        return isfinite(number) ? or_end(json_real(number)) : NULL;
    }
    case JSON_KIND_WORD: {
        int word;
        memcpy(&word, at, sizeof word);
        bool known = word >= 0 && (size_t)word < field->word_count && field->words[word] != NULL;
        return known ? or_end(json_string(field->words[word])) : NULL;
    }
    case JSON_KIND_OBJECT:
        if (field->rule != JSON_REQUIRED && is_unknown(field->shape, at)) {
            return NULL;
        }
        return json_shape_write(field->shape, at);
    case JSON_KIND_OBJECTS:
    case JSON_KIND_TEXTS: {
        size_t count;
        memcpy(&count, from + field->count_offset, sizeof count);
        return field->rule == JSON_OPTIONAL && count == 0 ? NULL : list_to_json(field, from);
    }
    case JSON_KIND_FLAG:
        break;
    }
    bool flag;
    memcpy(&flag, at, sizeof flag);
    return field->rule == JSON_OPTIONAL && !flag ? NULL : json_boolean(flag);
}

/* A flag that is not set and a list without elements say nothing. */
static bool says_nothing(const json_t *value) {
    return value == NULL || json_is_false(value) || (json_is_array(value) && json_array_size(value) == 0);
}

static bool is_unknown(const json_shape *shape, const unsigned char *from) {
    for (size_t i = 0; i < shape->field_count; i++) {
        json_t *value = value_to_json(&shape->fields[i], from);
        bool known = !says_nothing(value);
        json_decref(value);
        if (known) {
            return false;
        }
    }
    return true;
}

void json_shape_write_into(const json_shape *shape, const void *from, json_t *object) {
    for (size_t i = 0; i < shape->field_count; i++) {
        const json_field *field = &shape->fields[i];
        json_t *value = value_to_json(field, from);
        if (value == NULL && field->rule == JSON_OPTIONAL) {
            continue;
        }
        value = value == NULL ? json_null() : value;
        or_end(json_object_set_new(object, field->name, value) == 0 ? object : NULL);
    }
}

json_t *json_shape_write(const json_shape *shape, const void *from) {
    json_t *object = or_end(json_object());
    json_shape_write_into(shape, from, object);
    return object;
}

json_t *json_schema_object(const char *schema) {
    json_t *object = or_end(json_object());
    or_end(json_object_set_new(object, "schema", json_string(schema)) == 0 ? object : NULL);
    return object;
}
