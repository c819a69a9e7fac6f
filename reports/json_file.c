/* Files of JSON: the whole of one into a model, with one line about whatever is wrong with it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "reports/json.h"
#include "reports/report.h"

/* Nobody's results are this large; a device or a wrong file is. */
enum {
    FILE_BYTES_MOST = 256 * 1024 * 1024,
    READ_BYTES_FIRST = 64 * 1024
};

static bool complain(char *error, size_t error_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One line, whatever the input held: foreign bytes and control characters become '?'. */
static bool complain(char *error, size_t error_size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    for (char *byte = error; *byte != '\0'; byte++) {
        if ((unsigned char)*byte < 0x20 || (unsigned char)*byte == 0x7F) {
            *byte = '?';
        }
    }
    return false;
}

static char *read_stream(FILE *file, size_t *length) {
    size_t room = READ_BYTES_FIRST;
    size_t used = 0;
    char *text = malloc(room);
    while (text != NULL) {
        used += fread(text + used, 1, room - used, file);
        if (used < room || room >= FILE_BYTES_MOST) {
            break;
        }
        room *= 2;
        char *larger = realloc(text, room);
        if (larger == NULL) {
            free(text);
        }
        text = larger;
    }
    *length = used;
    return text;
}

static json_t *parse(const char *path, const char *text, size_t length, char *error, size_t error_size) {
    json_error_t fault;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &fault);
    if (root == NULL) {
        complain(error, error_size,
                 "%s:%d: not JSON: %s; expected a file written by \"poolbuf run\" or \"poolbuf leaks\"", path,
                 fault.line < 1 ? 1 : fault.line, fault.text);
    }
    return root;
}

static bool is_stdin(const char *path) {
    return strcmp(path, "-") == 0;
}

/* shown: what it is called in complaints. */
static json_t *load(const char *shown, const char *path, char *error, size_t error_size) {
    FILE *file = is_stdin(path) ? stdin : fopen(path, "rb");
    if (file == NULL) {
        complain(error, error_size, "%s: %s; expected a readable JSON file", shown, strerror(errno));
        return NULL;
    }
    size_t length = 0;
    errno = 0;
    char *text = read_stream(file, &length);
    bool failed = ferror(file) != 0;
    int reason = errno;
    if (file != stdin) {
        fclose(file);
    }
    json_t *root = NULL;
    if (text == NULL || failed) {
        complain(error, error_size, "%s: %s; expected a readable JSON file", shown,
                 strerror(text == NULL ? ENOMEM : reason));
    } else if (length >= FILE_BYTES_MOST) {
        complain(error, error_size, "%s: holds %d MiB or more; expected results or leaks, which are smaller", shown,
                 FILE_BYTES_MOST / (1024 * 1024));
    } else {
        root = parse(shown, text, length, error, error_size);
    }
    free(text);
    return root;
}

/* "poolbuf.leaks/1" is itself, and what a later tool adds keys to: "poolbuf.leaks/1.2". */
static bool is_schema(const char *schema, const char *wanted) {
    const size_t length = strlen(wanted);
    return strncmp(schema, wanted, length) == 0 &&
           (schema[length] == '\0' || (schema[length] == '.' && schema[length + 1] != '\0' &&
                                       strspn(schema + length + 1, "0123456789") == strlen(schema + length + 1)));
}

/* The same name with a greater number before the point. */
static bool is_newer(const char *schema, const char *wanted) {
    const char *slash = strchr(wanted, '/');
    const size_t length = (size_t)(slash - wanted) + 1;
    if (strncmp(schema, wanted, length) != 0) {
        return false;
    }
    const size_t digits = strspn(schema + length, "0123456789"); /* strtoul() takes a sign, too */
    const char after = schema[length + digits];
    return digits > 0 && (after == '\0' || after == '.') &&
           strtoul(schema + length, NULL, 10) > strtoul(slash + 1, NULL, 10);
}

static void note_strangers(const char *path, const json_reader *reader, char *note, size_t size) {
    if (reader->strangers > 0) {
        (void)complain(note, size, "%s: has %zu key%s that this poolbuf does not know, first %s: passed over", path,
                       reader->strangers, reader->strangers == 1 ? "" : "s", reader->stranger);
    }
}

static bool read_model(const char *path, const json_t *root, bool want_results, bool want_leaks, report_input *out,
                       char *error, size_t error_size) {
    const char *wanted = want_results && want_leaks ? "\"" RESULTS_SCHEMA "\" or \"" LEAKS_SCHEMA "\""
                         : want_results             ? "\"" RESULTS_SCHEMA "\" (from \"poolbuf run\")"
                                                    : "\"" LEAKS_SCHEMA "\" (from \"poolbuf leaks\")";
    if (!json_is_object(root)) {
        return complain(error, error_size, "%s: is not an object at the top; expected one with \"schema\": %s", path,
                        wanted);
    }
    const json_t *value = json_object_get(root, "schema");
    if (value == NULL) {
        return complain(error, error_size, "%s: schema: is missing; expected %s", path, wanted);
    }
    if (!json_is_string(value)) {
        return complain(error, error_size, "%s: schema: is not a text; expected %s", path, wanted);
    }
    const char *schema = json_string_value(value);
    json_reader reader = {0};
    report_input input = {0};
    if ((want_results && is_newer(schema, RESULTS_SCHEMA)) || (want_leaks && is_newer(schema, LEAKS_SCHEMA))) {
        return complain(error, error_size,
                        "%s: schema: is \"%.60s\", newer than this poolbuf can read; expected %s, or read it with a "
                        "newer poolbuf",
                        path, schema, wanted);
    }
    if (want_results && is_schema(schema, RESULTS_SCHEMA)) {
        input.results = results_from_json(&reader, root);
    } else if (want_leaks && is_schema(schema, LEAKS_SCHEMA)) {
        input.leaks = leaks_from_json(&reader, root);
    } else {
        return complain(error, error_size, "%s: schema: is \"%.60s\"; expected %s", path, schema, wanted);
    }
    if (input.results == NULL && input.leaks == NULL) {
        return complain(error, error_size, "%s: %s", path, reader.fault);
    }
    note_strangers(path, &reader, input.note, sizeof input.note);
    if (input.results != NULL && input.note[0] != '\0') {
        input.results->note = model_text(input.results->arena, input.note);
    }
    *out = input;
    return true;
}

static bool read_file(const char *path, bool want_results, bool want_leaks, report_input *out, char *error,
                      size_t error_size) {
    const char *shown = is_stdin(path) ? "stdin" : path;
    json_t *root = load(shown, path, error, error_size);
    if (root == NULL) {
        return false;
    }
    bool is_read = read_model(shown, root, want_results, want_leaks, out, error, error_size);
    json_decref(root);
    return is_read;
}

bool report_read(const char *path, report_input *out, char *error, size_t error_size) {
    return read_file(path, true, true, out, error, error_size);
}

bool report_read_results(const char *path, results_model **out, char *error, size_t error_size) {
    report_input input;
    if (!read_file(path, true, false, &input, error, error_size)) {
        return false;
    }
    *out = input.results;
    return true;
}

bool report_read_leaks(const char *path, leaks_model **out, char *error, size_t error_size) {
    report_input input;
    if (!read_file(path, false, true, &input, error, error_size)) {
        return false;
    }
    *out = input.leaks;
    return true;
}

void report_input_fini(report_input *input) {
    results_model_destroy(input->results);
    leaks_model_destroy(input->leaks);
    *input = (report_input){0};
}

static int write_bytes(const char *bytes, size_t size, void *to) {
    return fwrite(bytes, 1, size, to) == size ? 0 : -1;
}

void json_print(const json_t *value, FILE *to) {
    json_dump_callback(value, write_bytes, to, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputc('\n', to);
}
