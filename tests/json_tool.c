/* What the end-to-end tests need to know about JSON files, and to do to them.
 *
 *   json_tool check FILE                       valid, strict JSON? (no NaN, no duplicate keys)
 *   json_tool get FILE PATH...                 the values at paths, a line each, empty where there is none: keys and
 *                                              indices parted by dots; # is a length; KEY=VALUE the first of a list
 *                                              that has it
 *   json_tool same FILE OTHER                 the same values, whatever their order and layout?
 *   json_tool scale FILE SUBJECT FACTOR        on stdout: the results with one subject's times multiplied
 *   json_tool level FILE SUBJECT NS            on stdout: the results with all of one subject's times set to one
 *   json_tool set FILE PATH VALUE              on stdout: the same with one value replaced (VALUE is JSON) */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static json_t *load(const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        exit(1);
    }
    return root;
}

/* The first element of a list whose value of a key, as text, is the wanted one. */
static json_t *find(json_t *list, const char *wanted) {
    const char *value = strchr(wanted, '=') + 1;
    char key[64] = "";
    size_t i = 0;
    json_t *element = NULL;
    snprintf(key, sizeof key, "%.*s", (int)(value - 1 - wanted), wanted);
    json_array_foreach(list, i, element) {
        json_t *found = json_object_get(element, key);
        if (found == NULL) {
            continue;
        }
        char *text = json_is_string(found) ? strdup(json_string_value(found)) : json_dumps(found, JSON_ENCODE_ANY);
        bool same = text != NULL && strcmp(text, value) == 0;
        free(text);
        if (same) {
            return element;
        }
    }
    return NULL;
}

static json_t *step(json_t *at, const char *key) {
    if (json_is_array(at) && strchr(key, '=') != NULL) {
        return find(at, key);
    }
    return json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
}

static int get(json_t *root, char *path) {
    json_t *at = root;
    char *rest = NULL;
    for (char *key = strtok_r(path, ".", &rest); key != NULL; key = strtok_r(NULL, ".", &rest)) {
        if (strcmp(key, "#") == 0) {
            printf("%zu\n", json_is_array(at) ? json_array_size(at) : json_object_size(at));
            return 0;
        }
        at = step(at, key);
        if (at == NULL) {
            fprintf(stderr, "no \"%s\" there\n", key);
            putchar('\n');
            return 1;
        }
    }
    if (json_is_string(at)) {
        puts(json_string_value(at));
        return 0;
    }
    json_dumpf(at, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
    putchar('\n');
    return 0;
}

/* A number's new value. */
typedef double change(double value, double by);

static double scaled(double value, double by) {
    return value * by;
}

static double levelled(double value, double by) {
    (void)value;
    return by;
}

static void change_number(json_t *number, change *to, double by) {
    if (json_is_real(number)) {
        json_real_set(number, to(json_real_value(number), by));
    }
}

static void change_result(json_t *result, change *to, double by) {
    size_t i = 0;
    json_t *sample = NULL;
    json_array_foreach(json_object_get(result, "samples"), i, sample) {
        change_number(json_object_get(sample, "time_ns_per_op"), to, by);
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(result, "time_ns_per_op"), key, value) {
        change_number(value, to, by);
    }
}

static int change_times(json_t *root, const char *subject, change *to, double by) {
    size_t i = 0;
    size_t j = 0;
    json_t *scenario = NULL;
    json_t *result = NULL;
    json_array_foreach(json_object_get(root, "scenarios"), i, scenario) {
        json_array_foreach(json_object_get(scenario, "results"), j, result) {
            if (strcmp(json_string_value(json_object_get(result, "subject")), subject) == 0) {
                change_result(result, to, by);
            }
        }
    }
    return json_dumpf(root, stdout, JSON_INDENT(1));
}

static int set(json_t *root, char *path, const char *value) {
    json_t *at = root;
    char *rest = NULL;
    char *key = strtok_r(path, ".", &rest);
    for (char *next = strtok_r(NULL, ".", &rest); next != NULL; next = strtok_r(NULL, ".", &rest)) {
        at = step(at, key);
        key = next;
    }
    json_t *replacement = json_loads(value, JSON_DECODE_ANY, NULL);
    const int failed = json_is_array(at) ? json_array_set_new(at, strtoul(key, NULL, 10), replacement)
                                         : json_object_set_new(at, key, replacement);
    if (failed != 0) {
        fprintf(stderr, "cannot set %s\n", key);
        return 1;
    }
    return json_dumpf(root, stdout, JSON_INDENT(1));
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: json_tool check|get|same|scale|level|set FILE ...\n", stderr);
        return 2;
    }
    json_t *root = load(argv[2]);
    int status = 2;
    if (strcmp(argv[1], "check") == 0) {
        status = 0;
    } else if (strcmp(argv[1], "get") == 0 && argc >= 4) {
        status = 0;
        for (int i = 3; i < argc; i++) {
            status |= get(root, argv[i]);
        }
    } else if (strcmp(argv[1], "same") == 0 && argc == 4) {
        json_t *other = load(argv[3]);
        status = json_equal(root, other) ? 0 : 1;
        json_decref(other);
    } else if (strcmp(argv[1], "scale") == 0 && argc == 5) {
        status = change_times(root, argv[3], scaled, strtod(argv[4], NULL));
    } else if (strcmp(argv[1], "level") == 0 && argc == 5) {
        status = change_times(root, argv[3], levelled, strtod(argv[4], NULL));
    } else if (strcmp(argv[1], "set") == 0 && argc == 5) {
        status = set(root, argv[3], argv[4]);
    }
    json_decref(root);
    return status;
}
