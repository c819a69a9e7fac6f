/* Unit tests of loading scenarios and suites: every refusal is one line with the file, the line, and what would be
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>

#include "scenario/near.h"
#include "scenario_text.h"

#define HEAD  "name: t\nasks: q?\nsource: s\n" /* three lines */
#define PHASE "phases:\n  - kind: pingpong\n    operations: 10\n"
#define SIZES "    sizes: {fixed: 64}\n"

static char error[512];

typedef struct refusal {
    const char *text;
    unsigned line;
    const char *message; /* all of it, behind "FILE:LINE: " */
} refusal;

static const refusal refusals[] = {
    {"", 1, "the file is empty; a scenario needs: name, asks, source, phases"},
    {"# only a comment\n\n", 1, "the file is empty; a scenario needs: name, asks, source, phases"},
    {"--- \n", 1, "the file is empty; a scenario needs: name, asks, source, phases"},
    {"just words\n", 1,
     "\"scenario\" is a text or number; it must be a mapping with the keys: name, asks, source, threads, phases"},
    {"- a\n- b\n", 1,
     "\"scenario\" is a list; it must be a mapping with the keys: name, asks, source, threads, phases"},
    {"name: [a, b\nasks: q\n", 2,
     "this is not YAML: did not find expected ',' or ']'; a scenario is lines of \"key: value\" with even indentation"},
    {"name: t\n\tasks: q\n", 2,
     "this is not YAML: found a tab character that violates indentation; a scenario is lines of \"key: value\" with "
     "even "
     "indentation"},
    {"name: t\nasks: q\xff\n", 2,
     "this is not YAML: invalid leading UTF-8 octet; a scenario is lines of \"key: value\" with even indentation"},
    {"name: t\nasks: *nothing\n", 2,
     "this is not YAML: found undefined alias; a scenario is lines of \"key: value\" with even indentation"},
    {HEAD PHASE SIZES "---\nname: second\n", 9, "a second document begins; a file holds one scenario"},
    {HEAD "phasse:\n  - kind: churn\n", 4,
     "unknown key \"phasse\"; did you mean phases? legal keys in \"scenario\": name, asks, source, threads, phases"},
    {HEAD "colour: blue\n", 4,
     "unknown key \"colour\"; legal keys in \"scenario\": name, asks, source, threads, phases"},
    {"name: t\nasks: q?\n" PHASE SIZES, 1,
     "the key \"source\" is missing; \"scenario\" needs: name, asks, source, phases"},
    {HEAD, 1, "the key \"phases\" is missing; \"scenario\" needs: name, asks, source, phases"},
    {HEAD "name: again\n", 4, "the key \"name\" is there twice; once is right"},
    {"name: two words\nasks: q?\nsource: s\n" PHASE SIZES, 1,
     "the name \"two words\" is not a word; legal: letters, digits, - and _"},
    {"name:\nasks: q?\n", 1, "\"name\" is nothing; it must be a word or a text"},
    {"name: {a: b}\n", 1, "\"name\" is a mapping; it must be a word or a text"},
    {HEAD "? [a]\n: b\n", 4, "a key is a list; keys are words"},
    {HEAD "threads: -2\n", 4, "\"threads\" is negative: \"-2\"; legal: 1 to 64"},
    {HEAD "threads: 0\n", 4, "\"threads\" is out of range: \"0\"; legal: 1 to 64"},
    {HEAD "threads: 65\n", 4, "\"threads\" is out of range: \"65\"; legal: 1 to 64"},
    {HEAD "threads: many\n", 4, "\"threads\" is not a whole number: \"many\"; legal: 1 to 64"},
    {HEAD "threads: 0x10\n", 4, "\"threads\" is not a whole number: \"0x10\"; legal: 1 to 64"},
    {HEAD "threads: 010\n", 4, "\"threads\" is not a whole number: \"010\"; legal: 1 to 64"},
    {HEAD "threads: 1.5\n", 4, "\"threads\" is not a whole number: \"1.5\"; legal: 1 to 64"},
    {HEAD "threads: 99999999999999999999999\n", 4,
     "\"threads\" is out of range: \"99999999999999999999999\"; legal: 1 to 64"},
    {HEAD "threads: \"1\\x01\"\n", 4, "\"threads\" is not a whole number: \"1?\"; legal: 1 to 64"},
    {HEAD "phases: []\n", 4, "\"phases\" has 0 entries; it must have 1 to 64"},
    {HEAD "phases: churn\n", 4, "\"phases\" is a text or number; it must be a list, such as [..., ...]"},
    {HEAD "phases:\n  - kind: chrun\n", 5,
     "unknown kind \"chrun\"; did you mean churn? legal values: "
     "pingpong, churn, burst, bulk, handoff, pipeline, relay, fragment, thrash, scratch, fanout, frames, append, "
     "ship, assemble, pages"},
    {HEAD "phases:\n  - kind: video\n", 5,
     "unknown kind \"video\"; legal values: "
     "pingpong, churn, burst, bulk, handoff, pipeline, relay, fragment, thrash, scratch, fanout, frames, append, "
     "ship, assemble, pages"},
    {HEAD "phases:\n  - kind: 1\n", 5,
     "unknown kind \"1\"; legal values: "
     "pingpong, churn, burst, bulk, handoff, pipeline, relay, fragment, thrash, scratch, fanout, frames, append, "
     "ship, assemble, pages"},
    {HEAD "phases:\n  - name: a\n", 5, "a phase has none; exactly one is right: \"kind\", \"trace\" or \"shape\""},
    {HEAD "phases:\n  - kind: churn\n    trace: x\n", 5,
     "a phase has several; exactly one is right: \"kind\", \"trace\" or \"shape\""},
    {HEAD "phases:\n  - trace: x\n    shape: x\n", 5,
     "a phase has several; exactly one is right: \"kind\", \"trace\" or \"shape\""},
    {HEAD PHASE, 5, "the key \"sizes\" is missing; pingpong needs it"},
    {HEAD "phases:\n  - kind: churn\n" SIZES, 5, "the key \"operations\" is missing; churn needs it"},
    {HEAD "phases:\n  - kind: churn\n    operations: 10\n" SIZES, 5, "the key \"live\" is missing; churn needs it"},
    {HEAD PHASE SIZES "    live: 5\n", 8, "\"live\" means nothing to pingpong; remove it"},
    {HEAD "phases:\n  - kind: churn\n    operations: 10\n    live: 8\n    burst: 2\n" SIZES, 8,
     "\"burst\" means nothing to churn; remove it"},
    {HEAD "phases:\n  - kind: burst\n    operations: 10\n" SIZES, 5, "the key \"live\" is missing; burst needs it"},
    {HEAD "phases:\n  - kind: burst\n    operations: 10\n    live: 8\n    burst: 2\n" SIZES, 8,
     "\"burst\" means nothing to burst; remove it"},
    {HEAD "phases:\n  - kind: bulk\n    operations: 10\n" SIZES, 5, "the key \"burst\" is missing; bulk needs it"},
    {HEAD "phases:\n  - kind: bulk\n    operations: 10\n    live: 8\n    burst: 2\n" SIZES, 7,
     "\"live\" means nothing to bulk; remove it"},
    {HEAD "phases:\n  - kind: bulk\n    operations: 10\n    burst: 4097\n" SIZES, 7,
     "\"burst\" is out of range: \"4097\"; legal: 1 to 4096"},
    {HEAD PHASE SIZES "    order: lifo\n", 8, "\"order\" means nothing to pingpong; remove it"},
    {HEAD "phases:\n  - kind: burst\n    order: lifi\n", 6,
     "unknown order \"lifi\"; did you mean lifo? legal values: fifo, lifo, halves, random"},
    {HEAD PHASE SIZES "    succession: 5\n", 8, "\"succession\" means nothing to pingpong; remove it"},
    {HEAD PHASE SIZES "    succession: 0\n", 8, "\"succession\" is out of range: \"0\"; legal: 1 to 1000000"},
    {HEAD PHASE SIZES "    idle_ms: 10001\n", 8, "\"idle_ms\" is out of range: \"10001\"; legal: 1 to 10000"},
    {HEAD "phases:\n  - kind: relay\n    live: 8\n    retain: 5\n" SIZES, 5,
     "the key \"succession\" is missing; relay needs it"},
    {HEAD "phases:\n  - kind: relay\n    live: 8\n    retain: 101\n" SIZES, 7,
     "\"retain\" is out of range: \"101\"; legal: 1 to 100"},
    {HEAD "phases:\n  - kind: relay\n    live: 8\n    retain: 5\n    succession: 2\n    operations: 9\n" SIZES, 9,
     "\"operations\" means nothing to relay; remove it"},
    {HEAD "phases:\n  - kind: thrash\n    operations: 8\n" SIZES, 5, "the key \"writes\" is missing; thrash needs it"},
    {HEAD "phases:\n  - kind: thrash\n    operations: 8\n    writes: 1\n" SIZES, 7,
     "\"writes\" is out of range: \"1\"; legal: 2 to 1000000"},
    {HEAD "phases:\n  - kind: fragment\n    operations: 8\n    retain: 5\n    sizes_after: {fixed: 8}\n" SIZES, 5,
     "the key \"sizes_retained\" is missing; fragment needs it"},
    {HEAD "phases:\n  - kind: fragment\n    operations: 8\n    retain: 5\n    sizes_after: {fixed: 8}\n"
          "    sizes_retained: {each: [8]}\n" SIZES,
     9, "\"each\" is for \"sizes\"; legal in \"sizes_retained\": fixed, uniform, log_uniform or weighted"},
    {HEAD "phases:\n  - kind: handoff\n    operations: 10\n    live: 8\n    producers: 2\n" SIZES, 5,
     "a handoff has \"producers\" alone; legal: \"producers\" and \"consumers\", or neither"},
    {HEAD "phases:\n  - kind: handoff\n    operations: 10\n    live: 8\n    producers: 60\n    consumers: 5\n" SIZES, 9,
     "60 producers and 5 consumers are more than 64 threads; legal: fewer"},
    {HEAD "threads: 3\nphases:\n  - {kind: handoff, operations: 10, live: 8, producers: 3, consumers: 1, "
          "sizes: {fixed: 1}}\n",
     4, "\"threads\" is 3, but a handoff here needs 4; legal: as many, or more"},
    {HEAD "threads: 1\nphases:\n  - {kind: pipeline, operations: 10, live: 8, sizes: {fixed: 1}}\n", 4,
     "\"threads\" is 1, but a pipeline here needs 2; legal: as many, or more"},
    {HEAD PHASE SIZES "    touch: pages\n", 8, "\"touch\" means nothing to pingpong; remove it"},
    {HEAD "phases:\n  - kind: churn\n    touch: page\n", 6,
     "unknown touch \"page\"; did you mean pages? legal values: ends, pages"},
    {HEAD "phases:\n  - trace: x\n    touch: ends\n", 6, "\"touch\" means nothing to trace; remove it"},
    {HEAD "phases:\n  - trace: x\n    live: 8\n", 6, "\"live\" means nothing to trace; remove it"},
    {HEAD "phases:\n  - kind: handoff\n    operations: 10\n    live: 8\n    burst: 3\n" SIZES, 8,
     "\"burst\" is 3, which does not divide \"live\", 8; legal: a divisor of \"live\""},
    {HEAD "threads: 3\nphases:\n  - kind: handoff\n    operations: 10\n    live: 8\n" SIZES, 4,
     "\"threads\" is 3, but handoff works in pairs; legal: an even number"},
    {HEAD "threads: 3\nphases:\n  - kind: ship\n    operations: 10\n    live: 8\n    buffer: 64\n" SIZES, 4,
     "\"threads\" is 3, but ship works in pairs; legal: an even number"},
    {HEAD "threads: 1\nphases:\n  - kind: fanout\n    operations: 10\n    live: 8\n" SIZES, 4,
     "\"threads\" is 1, but a fanout here needs 2; legal: as many, or more"},
    {HEAD "phases:\n  - kind: frames\n    operations: 10\n    live: 8\n    header: 1\n    buffer: 64\n" SIZES, 9,
     "\"buffer\" is 64, but \"sizes\" and \"header\" make up to 65; legal: as much, or more"},
    {HEAD "phases:\n  - kind: assemble\n    operations: 10\n    burst: 65\n" SIZES, 7,
     "\"burst\" is 65, but a message has at most 64 parts; legal: 1 to 64"},
    {HEAD "phases:\n  - kind: pages\n    operations: 10\n    live: 8\n" SIZES, 5,
     "the key \"miss\" is missing; pages needs it"},
    {HEAD PHASE SIZES "    share: view\n", 8, "\"share\" means nothing to pingpong; remove it"},
    {HEAD PHASE "    sizes: {fixed: -64}\n", 7, "\"fixed\" is negative: \"-64\"; legal: 1 to 268435455"},
    {HEAD PHASE "    sizes: {fixed: 0}\n", 7, "\"fixed\" is out of range: \"0\"; legal: 1 to 268435455"},
    {HEAD PHASE "    sizes: {fixed: 268435456}\n", 7,
     "\"fixed\" is out of range: \"268435456\"; legal: 1 to 268435455"},
    {HEAD PHASE "    sizes: 64\n", 7,
     "\"sizes\" is a text or number; it must be a mapping with the keys: fixed, uniform, log_uniform, weighted, each"},
    {HEAD PHASE "    sizes: {}\n", 7,
     "\"sizes\" has 0 distributions; exactly one is right: fixed, uniform, log_uniform, weighted or each"},
    {HEAD PHASE "    sizes:\n      fixed: 1\n      each: [1, 2]\n", 8,
     "\"sizes\" has 2 distributions; exactly one is right: fixed, uniform, log_uniform, weighted or each"},
    {HEAD PHASE "    sizes: {normal: {}}\n", 7,
     "unknown key \"normal\"; legal keys in \"sizes\": fixed, uniform, log_uniform, weighted, each"},
    {HEAD PHASE "    sizes:\n      each:\n        - 1\n        - -2\n", 10,
     "\"each\" is negative: \"-2\"; legal: 1 to 268435455"},
    {HEAD PHASE "    sizes:\n      uniform:\n        low: 9\n        high: 8\n", 9,
     "\"low\" is 9, above \"high\", 8; legal: 1 to \"high\""},
    {HEAD PHASE "    sizes:\n      log_uniform: {low: 9}\n", 8,
     "the key \"high\" is missing; \"log_uniform\" needs: low, high"},
    {HEAD PHASE "    sizes:\n      weighted:\n        - {size: 1, weight: 1}\n        - {weight: 2}\n", 10,
     "an entry of \"weighted\" mixes or lacks sizes; legal: either \"size\", or \"low\" and \"high\""},
    {HEAD PHASE "    sizes:\n      weighted:\n        - {size: 1, low: 1, high: 2, weight: 1}\n", 9,
     "an entry of \"weighted\" mixes or lacks sizes; legal: either \"size\", or \"low\" and \"high\""},
    {HEAD PHASE "    sizes:\n      weighted:\n        - {low: 3, high: 2, weight: 1}\n", 9,
     "\"low\" is 3, above \"high\", 2; legal: 1 to \"high\""},
    {HEAD PHASE "    sizes:\n      weighted: [{size: 1}]\n", 8,
     "the key \"weight\" is missing; \"weighted\" needs: weight"},
    {HEAD "phases:\n  - {name: a b, kind: pingpong, operations: 1, sizes: {fixed: 1}}\n", 5,
     "the name \"a b\" is not a word; legal: letters, digits, - and _"},
    {HEAD "phases:\n  - {name: a, kind: pingpong, operations: 1, sizes: {fixed: 1}}\n  - {name: a, kind: pingpong, "
          "operations: 1, sizes: {fixed: 1}}\n",
     6, "an earlier phase has the name \"a\"; names of phases differ"},
    {HEAD "phases: &cycle [*cycle]\n", 4,
     "\"phases\" is a list; it must be a mapping with the keys: kind, trace, shape, name, operations, live, burst, "
     "producers, consumers, order, retain, writes, touch, succession, idle_ms, "
     "buffer, header, miss, share, sizes, sizes_retained, sizes_after"},
    {HEAD "phases:\n  - trace: /nowhere/at-all.pbtrace\n", 5,
     "/nowhere/at-all.pbtrace: cannot open the trace: No such file or directory; give the path of a .pbtrace file"},
};

static void every_refusal_names_its_line_and_what_is_legal(void **state) {
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char path[SCENARIO_TEXT_PATH_SIZE];
        char expected[512];
        const refusal *each = &refusals[i];
        scenario *from = NULL;
        (void)scenario_text_file(path, ".yaml", each->text, strlen(each->text));
        (void)snprintf(expected, sizeof expected, "%s:%u: %s", path, each->line, each->message);
        bool loaded = scenario_load(path, &from, error, sizeof error);
        (void)unlink(path);
        if (loaded) {
            fail_msg("this was loaded: %s", each->text);
        }
        if (strcmp(error, expected) != 0) {
            wrong++;
            print_error("got      %s\nexpected %s\n", error, expected);
        }
    }
    assert_int_equal(wrong, 0);
}

static void a_long_word_is_cut_and_the_message_stays_one_line(void **state) {
    (void)state;
    char text[4096] = HEAD;
    size_t n = strlen(text);
    memset(text + n, 'x', 500);
    (void)snprintf(text + n + 500, sizeof text - n - 500, ": 1\n");
    assert_null(scenario_from_text(text, error));
    assert_non_null(strstr(error, "xxx...\""));
    assert_null(strchr(error, '\n'));

    (void)snprintf(text, sizeof text, "%s\"line\\nbreak\": 1\n", HEAD);
    assert_null(scenario_from_text(text, error));
    assert_non_null(strstr(error, "unknown key \"line?break\""));
}

static void zero_bytes_and_huge_files_are_refused(void **state) {
    (void)state;
    char path[SCENARIO_TEXT_PATH_SIZE];
    scenario *from = NULL;
    static const char zero[] = "name: \"a\\0b\"\n";
    assert_false(scenario_load(scenario_text_file(path, ".yaml", zero, sizeof zero - 1), &from, error, sizeof error));
    (void)unlink(path);
    assert_non_null(strstr(error, ":1: \"name\" holds a zero byte"));
    static const char key[] = "\"name\\0x\": t\n";
    assert_false(scenario_load(scenario_text_file(path, ".yaml", key, sizeof key - 1), &from, error, sizeof error));
    (void)unlink(path);
    assert_non_null(strstr(error, ":1: a key holds a zero byte; keys are words"));

    char *huge = calloc(1, SCENARIO_FILE_BYTES_MAX + 1);
    memset(huge, '#', SCENARIO_FILE_BYTES_MAX + 1);
    assert_false(scenario_load(scenario_text_file(path, ".yaml", huge, SCENARIO_FILE_BYTES_MAX + 1), &from, error,
                               sizeof error));
    (void)unlink(path);
    assert_non_null(strstr(error, "it is larger than 1 MiB"));
    free(huge);
}

static void a_missing_file_and_a_folder_are_refused_without_a_line(void **state) {
    (void)state;
    scenario *from = NULL;
    scenario_suite *suite = NULL;
    assert_false(scenario_load("/nowhere/x.yaml", &from, error, sizeof error));
    assert_string_equal(error,
                        "/nowhere/x.yaml: cannot open it: No such file or directory; give the path of a scenario file");
    assert_false(scenario_load("/nowhere/x.pbtrace", &from, error, sizeof error));
    assert_string_equal(error,
                        "/nowhere/x.pbtrace: cannot open the trace: No such file or directory; give the path of a "
                        ".pbtrace file");
    assert_false(scenario_load("/tmp", &from, error, sizeof error));
    assert_string_equal(error, "/tmp: it is a folder; give the path of a scenario file");
    assert_false(scenario_suite_load("/nowhere/x.yaml", &suite, error, sizeof error));
    assert_string_equal(error,
                        "/nowhere/x.yaml: cannot open it: No such file or directory; give the path of a suite file");
}

static void a_whole_scenario_is_read_with_its_defaults(void **state) {
    (void)state;
    scenario *from =
        scenario_from_text(HEAD "phases:\n"
                                "  - {kind: churn, live: 7, operations: 9, sizes: &s {weighted: [{size: 3, weight: 2}, "
                                "{low: 4, high: 5, weight: 1}]}}\n"
                                "  - {kind: handoff, live: 8, operations: 9, sizes: *s}\n"
                                "  - {kind: churn, live: 7, operations: 9, sizes: {uniform: {low: 1, high: 2}}}\n"
                                "  - {kind: pingpong, operations: 9, name: last, sizes: {each: [1, 2, 3]}}\n"
                                "  - {kind: churn, live: 7, operations: 9, touch: pages, sizes: *s}\n"
                                "  - {kind: bulk, burst: 32, operations: 9, sizes: *s}\n"
                                "  - {kind: handoff, producers: 3, consumers: 2, live: 8, operations: 9, sizes: *s}\n"
                                "  - {kind: fragment, retain: 9, operations: 9, sizes: *s, sizes_retained: *s,\n"
                                "     sizes_after: {fixed: 7}, idle_ms: 4}\n"
                                "  - {kind: burst, live: 9, operations: 9, order: halves, succession: 3, sizes: *s}\n",
                           error);
    if (from == NULL) {
        fail_msg("%s", error);
        return;
    }
    assert_string_equal(from->name, "t");
    assert_string_equal(from->asks, "q?");
    assert_string_equal(from->source, "s");
    assert_int_equal(from->threads, 5); /* what the most demanding phase needs */
    assert_int_equal(from->phases_count, 9);
    assert_int_equal(from->phases[1].producers, 0);
    assert_int_equal(from->phases[6].producers, 3);
    assert_int_equal(from->phases[6].consumers, 2);
    assert_int_equal(from->phases[7].retain, 9);
    assert_int_equal(from->phases[7].sizes_retained->weighted_count, 2);
    assert_int_equal(from->phases[7].sizes_after->fixed, 7);
    assert_int_equal(from->phases[7].idle_ms, 4);
    assert_int_equal(from->phases[0].order, SCENARIO_ORDER_FIFO);
    assert_int_equal(from->phases[8].order, SCENARIO_ORDER_HALVES);
    assert_int_equal(from->phases[8].succession, 3);
    assert_int_equal(from->phases[0].touch, SCENARIO_TOUCH_ENDS);
    assert_int_equal(from->phases[4].touch, SCENARIO_TOUCH_PAGES);
    assert_int_equal(from->phases[5].kind, SCENARIO_BULK);
    assert_int_equal(from->phases[5].burst, 32);
    assert_string_equal(from->phases[0].name, "churn");
    assert_string_equal(from->phases[1].name, "handoff");
    assert_string_equal(from->phases[2].name, "churn-2");
    assert_string_equal(from->phases[3].name, "last");
    assert_int_equal(from->phases[1].burst, 1);
    for (size_t i = 0; i < 2; i++) { /* an alias is as good as the words */
        assert_int_equal(from->phases[i].sizes->weighted_count, 2);
        assert_int_equal(from->phases[i].sizes->weighted[0].size, 3);
        assert_int_equal(from->phases[i].sizes->weighted[1].high, 5);
    }
    assert_int_equal(from->phases[2].sizes->uniform->high, 2);
    assert_int_equal(from->phases[3].sizes->each_count, 3);
    assert_int_equal(from->phases[3].sizes->each[2], 3);
    scenario_destroy(from);
}

static void a_suite_is_read_and_its_errors_are_lines_too(void **state) {
    (void)state;
    static const refusal bad[] = {
        {"", 1, "the file is empty; a suite needs: name, asks, scenarios"},
        {"name: s\nasks: q?\nscenarios: []\n", 3, "\"scenarios\" has 0 entries; it must have 1 to 1000"},
        {"name: s\nasks: q?\nscenarios: [a, b,\n a]\n", 4, "\"a\" is there twice; once is right"},
        {"name: s\nasks: q?\nscenario: [a]\n", 3,
         "unknown key \"scenario\"; did you mean scenarios? legal keys in \"suite\": name, asks, rounds, scenarios"},
        {"name: s\nasks: q?\nrounds: 0\nscenarios: [a]\n", 3, "\"rounds\" is out of range: \"0\"; legal: 1 to 1000"},
        {"name: s\nasks: q?\nscenarios: [[a]]\n", 3, "\"scenarios\" is a list; it must be a word or a text"},
    };
    char path[SCENARIO_TEXT_PATH_SIZE];
    scenario_suite *suite = NULL;
    static const char good[] = "name: s\nasks: q?\nrounds: 8\nscenarios: [a, b/c.yaml, /d/e.yaml, f.yml]\n";
    char expected_path[SCENARIO_TEXT_PATH_SIZE + 16];
    assert_true(
        scenario_suite_load(scenario_text_file(path, ".yaml", good, strlen(good)), &suite, error, sizeof error));
    (void)unlink(path);
    assert_int_equal(suite->scenarios_count, 4);
    assert_string_equal(suite->scenarios[0], "a");
    (void)snprintf(expected_path, sizeof expected_path, "%.*s/b/c.yaml", (int)(strrchr(path, '/') - path), path);
    assert_string_equal(suite->scenarios[1], expected_path); /* from where the suite lies */
    assert_string_equal(suite->scenarios[2], "/d/e.yaml");
    assert_string_equal(strrchr(suite->scenarios[3], '/'), "/f.yml");
    assert_int_equal(suite->rounds, 8);
    scenario_suite_destroy(suite);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[512];
        (void)scenario_text_file(path, ".yaml", bad[i].text, strlen(bad[i].text));
        (void)snprintf(expected, sizeof expected, "%s:%u: %s", path, bad[i].line, bad[i].message);
        assert_false(scenario_suite_load(path, &suite, error, sizeof error));
        (void)unlink(path);
        assert_string_equal(error, expected);
    }
}

static void put_file(const char *folder, const char *name) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fclose(file);
}

static void names_are_found_in_the_folder_that_the_environment_names(void **state) {
    (void)state;
    static const char *const files[] = {"beta.yaml",     "alpha.yml", "traces/gamma.pbtrace", "traces/beta.pbtrace",
                                        "suites/s.yaml", "notes.txt", ".hidden.yaml"};
    char folder[] = "/tmp/poolbuf-test-XXXXXX";
    char path[PATH_MAX];
    char **names = NULL;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/traces", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/suites", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        put_file(folder, files[i]);
    }
    (void)setenv("POOLBUF_SCENARIOS", folder, 1);

    assert_int_equal(scenario_list(&names), 3);
    assert_string_equal(names[0], "alpha");
    assert_string_equal(names[1], "beta");
    assert_string_equal(names[2], "gamma");
    scenario_names_destroy(names, 3);
    assert_int_equal(scenario_suite_list(&names), 1);
    scenario_names_destroy(names, 1);

    assert_true(scenario_find("gamma", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(path, "/traces/gamma.pbtrace"));
    assert_true(scenario_find("beta", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(path, "/beta.yaml"));
    char again[PATH_MAX];
    assert_true(scenario_find(path, again, sizeof again, error, sizeof error)); /* a path is itself */
    assert_string_equal(path, again);
    assert_true(scenario_suite_find("s", path, sizeof path, error, sizeof error));
    assert_false(scenario_find("betta", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(error, "there is no scenario \"betta\""));
    assert_non_null(strstr(error, "did you mean beta?"));
    assert_false(scenario_find("video", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(error, "`poolbuf list scenarios` names those there are"));
    assert_false(scenario_find("./beta.yaml", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(error, "./beta.yaml: there is no such file"));

    for (size_t i = sizeof files / sizeof files[0]; i-- > 0;) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof path, "%s/traces", folder);
    (void)rmdir(path);
    (void)snprintf(path, sizeof path, "%s/suites", folder);
    (void)rmdir(path);
    (void)rmdir(folder);
    assert_int_equal(scenario_list(&names), 0);
    assert_null(names);
    (void)unsetenv("POOLBUF_SCENARIOS");
}

static void near_words_are_meant_and_far_ones_not(void **state) {
    (void)state;
    static const char *const words[] = {"churn", "handoff", "pingpong"};
    assert_string_equal(near_word("chrun", words, 3), "churn");
    assert_string_equal(near_word("pingpng", words, 3), "pingpong");
    assert_string_equal(near_word("handof", words, 3), "handoff");
    assert_string_equal(near_word("PING", words, 3), "pingpong");
    assert_string_equal(near_word("x", (const char *const[]){NULL, "s"}, 2), "s");
    assert_null(near_word("pi", words, 3));
    assert_null(near_word("redis", words, 3));
    assert_null(near_word("", words, 3));
    assert_null(near_word("churn", words, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_names_its_line_and_what_is_legal),
        cmocka_unit_test(a_long_word_is_cut_and_the_message_stays_one_line),
        cmocka_unit_test(zero_bytes_and_huge_files_are_refused),
        cmocka_unit_test(a_missing_file_and_a_folder_are_refused_without_a_line),
        cmocka_unit_test(a_whole_scenario_is_read_with_its_defaults),
        cmocka_unit_test(a_suite_is_read_and_its_errors_are_lines_too),
        cmocka_unit_test(names_are_found_in_the_folder_that_the_environment_names),
        cmocka_unit_test(near_words_are_meant_and_far_ones_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
