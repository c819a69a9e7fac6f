/* Unit tests of suppress.c and suppress_parse.c: what matches what, what is wrong with a file, and how that is said. */
#include "suppress_rules.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_symbols.h"
#include "stack_table.h"

/* --- texts ------------------------------------------------------------------------------------------------------ */

typedef struct pair {
    const char *pattern, *text;
    bool matches;
} pair;

static void leaksanitizers_patterns_match_anywhere_unless_anchored(void **state) {
    (void)state;
    static const pair PAIRS[] = {
        {"fill", "cache_fill_all", true},
        {"fill", "cache", false},
        {"^cache", "cache_fill", true},
        {"^fill", "cache_fill", false},
        {"fill$", "cache_fill", true},
        {"cache$", "cache_fill", false},
        {"^cache_fill$", "cache_fill", true},
        {"^cache_fill$", "cache_fill2", false},
        {"ca*ll", "cache_fill", true},
        {"ca*lx", "cache_fill", false},
        {"^*fill$", "cache_fill", true},
        {"^c*e*l$", "cache_fill", true},
        {"^c*e*c$", "cache_fill", false},
        {"*", "x", true},
        {"*", "", false},
        {"fill", "", false},
        {"a?c", "abc", false},
        {"a?c", "xa?cx", true},
        {"foo$", "foofoo", true},
        {"aab$", "aaaab", true},
        {"a*b*c$", "abcbabc", true},
        {"a^b", "xa^bx", true},
        {"$", "anything", true},
        {"^$", "x", false},
        {"^a*$", "abc", true},
        {"^a**b$", "ab", true},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        if (suppress_text_matches(PAIRS[i].pattern, PAIRS[i].text) != PAIRS[i].matches) {
            fail_msg("%s on %s should be %d", PAIRS[i].pattern, PAIRS[i].text, PAIRS[i].matches);
        }
    }
    assert_false(suppress_text_matches("*", NULL));
}

static void valgrinds_patterns_cover_the_whole_text(void **state) {
    (void)state;
    static const pair PAIRS[] = {
        {"cache_fill", "cache_fill", true},
        {"cache", "cache_fill", false},
        {"cache*", "cache_fill", true},
        {"*fill", "cache_fill", true},
        {"c?che_*", "cache_fill", true},
        {"c?e_*", "cache_fill", false},
        {"???", "abc", true},
        {"???", "ab", false},
        {"*", "", true},
        {"?", "", false},
        {"", "", true},
        {"", "a", false},
        {"*a*b", "xaxbxab", true},
        {"*a?b", "aab_aacb", true},
        {"^a$", "^a$", true},
        {"_ZN*4fillEv", "_ZN5cache4fillEv", true},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        if (suppress_whole_matches(PAIRS[i].pattern, PAIRS[i].text) != PAIRS[i].matches) {
            fail_msg("%s on %s should be %d", PAIRS[i].pattern, PAIRS[i].text, PAIRS[i].matches);
        }
    }
    assert_false(suppress_whole_matches("*", NULL));
}

/* A matcher that tries every split would not come back from this. */
static void many_stars_cost_no_more_than_the_product_of_lengths(void **state) {
    (void)state;
    char pattern[SUPPRESS_PATTERN_BYTES + 1];
    static char name[20000];
    for (size_t i = 0; i < SUPPRESS_PATTERN_BYTES; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    pattern[SUPPRESS_PATTERN_BYTES - 1] = 'b';
    pattern[SUPPRESS_PATTERN_BYTES] = '\0';
    memset(name, 'a', sizeof name - 1);
    assert_false(suppress_whole_matches(pattern, name));
    assert_false(suppress_text_matches(pattern, name));
    name[sizeof name - 2] = 'b';
    assert_true(suppress_whole_matches(pattern, name));
}

static void days_are_those_of_the_calendar(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t day;
    } DAYS[] = {{"1970-01-01", 0},     {"1970-12-31", 364},   {"2000-02-29", 11016}, {"2000-03-01", 11017},
                {"2024-10-04", 20000}, {"2027-01-31", 20849}, {"2100-03-01", 47541}, {"9999-12-31", 2932896}};
    static const char *const WRONG[] = {"",           "2027",        "2027-1-31",  "2027-13-01", "2027-00-10",
                                        "2027-02-29", "2100-02-29",  "2027-04-31", "2027-01-00", "1969-12-31",
                                        "2027-01-32", "2027-01-311", "2027/01/31", "tomorrow",   "20270-01-1"};
    int64_t day = -1;
    for (size_t i = 0; i < sizeof DAYS / sizeof DAYS[0]; i++) {
        assert_true(suppress_parse_day(DAYS[i].text, &day));
        assert_int_equal(day, DAYS[i].day);
    }
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        if (suppress_parse_day(WRONG[i], &day)) {
            fail_msg("%s is no day", WRONG[i]);
        }
    }
}

/* --- stacks ----------------------------------------------------------------------------------------------------- */

static const symbol_frame FRAMES[] = {
    {.function = "read_request", .file = "/src/server/request.c", .line = 12, .module = "/opt/server/bin/server"},
    {.function = "net::poll(int)", .symbol = "_ZN3net4pollEi", .file = "net.cc", .module = "/opt/lib/libnet.so.3"},
    {.module = "/opt/lib/plugin.so"},
    {.function = "serve", .file = "/src/server/serve.c", .line = 99, .module = "/opt/server/bin/server"},
    {.function = "main", .file = "/src/server/main.c", .line = 5, .module = "/opt/server/bin/server"},
};

static bool first_rule_matches(const char *rules) {
    const symbol_frame *items[5];
    for (size_t i = 0; i < 5; i++) {
        items[i] = &FRAMES[i];
    }
    if (parse(rules) != 1 || complaints[0] != '\0') {
        fail_msg("not one rule: %s: %s", rules, complaints);
    }
    return suppress_matches(&file, rule_at(0), &(report_frames){items, 5});
}

static void a_leak_rule_looks_at_function_file_and_module_of_every_frame(void **state) {
    (void)state;
    static const char *const MATCH[] = {"leak:read_request",   "leak:^main$",          "leak:request.c",
                                        "leak:libnet.so",      "leak:plugin.so$",      "leak:net::*(",
                                        "leak:_ZN3net4pollEi", "leak:^/src/*/serve.c$"};
    static const char *const MISS[] = {"leak:^request", "leak:mainly", "leak:read_request*serve", "leak:12",
                                       "leak:bin$"};
    for (size_t i = 0; i < sizeof MATCH / sizeof MATCH[0]; i++) {
        if (!first_rule_matches(MATCH[i])) {
            fail_msg("%s should match", MATCH[i]);
        }
    }
    for (size_t i = 0; i < sizeof MISS / sizeof MISS[0]; i++) {
        if (first_rule_matches(MISS[i])) {
            fail_msg("%s should not match", MISS[i]);
        }
    }
}

static bool block_matches(const char *lines) {
    char rules[2048];
    snprintf(rules, sizeof rules, "{\n name\n Memcheck:Leak\n%s}\n", lines);
    return first_rule_matches(rules);
}

static void a_block_matches_from_the_innermost_frame_on(void **state) {
    (void)state;
    static const char *const MATCH[] = {
        "fun:read_request\n",
        "fun:read_*\nfun:_ZN3net*\n",
        "fun:read_request\nfun:net::poll(int)\nobj:/opt/lib/plugin.so\nfun:serve\nfun:main\n",
        "fun:read_request\n...\nfun:main\n",
        "fun:read_request\n...\n",
        "...\nfun:serve\n",
        "...\nfun:read_request\n",
        "...\nobj:*/plugin.so\nfun:serve\n",
        "...\nfun:serve\n...\nfun:main\n",
        "...\n...\nfun:main\n...\n",
        "obj:/opt/server/*\n",
        "src:request.c\n",
        "src:request.c:12\n",
        "src:/src/server/request.c:12\n",
        "match-leak-kinds: definite,possible\nfun:read_request\n",
        "match-leak-kinds:all\nfun:read_request\n",
    };
    static const char *const MISS[] = {
        "fun:serve\n",
        "fun:read\n",
        "fun:read_request\nfun:serve\n",
        "fun:read_request\n...\nfun:read_request\n",
        "...\nfun:main\nfun:beyond\n",
        "...\nfun:main\n...\nobj:*\n",
        "src:request.c:13\n",
        "src:quest.c\n",
        "obj:server\n",
        "...\nobj:*/plugin.so\nfun:main\n",
        "fun:read_request\nfun:*\nfun:*\nfun:serve\n", /* the frame of the plugin has no function */
    };
    for (size_t i = 0; i < sizeof MATCH / sizeof MATCH[0]; i++) {
        if (!block_matches(MATCH[i])) {
            fail_msg("should match:\n%s", MATCH[i]);
        }
    }
    for (size_t i = 0; i < sizeof MISS / sizeof MISS[0]; i++) {
        if (block_matches(MISS[i])) {
            fail_msg("should not match:\n%s", MISS[i]);
        }
    }
}

static void a_block_of_memchecks_may_begin_in_the_allocator(void **state) {
    (void)state;
    assert_true(block_matches("fun:malloc\nfun:read_request\n"));
    assert_true(block_matches("fun:*alloc\nfun:read_request\n"));
    assert_true(block_matches("fun:calloc\nfun:handle_new\nfun:poolbuf_allocate\nfun:read_request\n"));
    assert_true(block_matches("fun:poolbuf_slice\nfun:derive\nfun:poolbuf_retained_slice\nfun:read_request\n"));
    assert_true(block_matches("obj:*/libpoolbuf.so*\nobj:*/libpoolbuf.so*\nfun:read_request\n"));
    assert_true(block_matches("fun:malloc\n...\nfun:serve\n"));
    assert_false(block_matches("fun:malloc\nfun:serve\n"));
    assert_false(block_matches("fun:calloc\nfun:handle_new\nfun:read_request\n"));
    assert_false(block_matches("fun:poolbuf_allocate\nfun:poolbuf_wrapper\nfun:serve\n"));
    assert_false(block_matches("fun:poolbuf_allocate\nfun:poolbuf_wrapper\n...\nfun:other\n"));
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static void settings_stand_behind_or_before_a_rule(void **state) {
    (void)state;
    assert_int_equal(parse("leak:a\n"
                           "leak:b  # limit=10 bytes=64k until=2027-01-31 reason=cache = of the first request  \r\n"
                           "#: limit=3\n"
                           "\n"
                           "# a comment\n"
                           "#: bytes=2m\n"
                           "leak:c\t#:until=2030-01-01\n"
                           "#: reason=of the vendor\n"
                           "{\n name of it\n #: limit=7\n Memcheck:Leak\n fun:x\n #: bytes=1\n}\n"
                           "  leak:lambda()#1  # only a comment, with limits\n"
                           "leak:e # :) limit\n"),
                     6);
    assert_string_equal(complaints, "");
    assert_true(rule_at(0)->limit_count == SUPPRESS_NO_LIMIT && rule_at(0)->limit_bytes == SUPPRESS_NO_LIMIT);
    assert_true(rule_at(0)->until_day == SUPPRESS_FOR_EVER && rule_at(0)->reason == NULL);
    assert_string_equal(rule_at(1)->name, "leak:b");
    assert_int_equal(rule_at(1)->limit_count, 10);
    assert_int_equal(rule_at(1)->limit_bytes, 65536);
    assert_int_equal(rule_at(1)->until_day, 20849);
    assert_string_equal(rule_at(1)->until, "2027-01-31");
    assert_string_equal(rule_at(1)->reason, "cache = of the first request");
    assert_int_equal(rule_at(2)->line, 7);
    assert_int_equal(rule_at(2)->limit_count, 3);
    assert_int_equal(rule_at(2)->limit_bytes, 2097152);
    assert_string_equal(rule_at(2)->until, "2030-01-01");
    assert_string_equal(rule_at(3)->name, "name of it");
    assert_int_equal(rule_at(3)->limit_count, 7);
    assert_int_equal(rule_at(3)->limit_bytes, 1);
    assert_string_equal(rule_at(3)->reason, "of the vendor");
    assert_string_equal(rule_at(4)->name, "leak:lambda()#1");
    assert_string_equal(rule_at(5)->name, "leak:e");
}

static void a_byte_order_mark_is_no_part_of_the_first_rule(void **state) {
    (void)state;
    assert_int_equal(parse("\xef\xbb\xbfleak:a\r\n"), 1);
    assert_string_equal(complaints, "");
    assert_string_equal(rule_at(0)->name, "leak:a");
    assert_int_equal(rule_at(0)->line, 1);
    assert_int_equal(parse("\xef\xbb\xbf"), 0);
    assert_string_equal(complaints, "");
}

static void rules_of_other_tools_are_passed_over_and_counted(void **state) {
    (void)state;
    assert_int_equal(parse("race:foo\nvptr:bar.cc\n"
                           "{\n a\n Memcheck:Addr4\n fun:x\n}\n"
                           "{\n b\n Helgrind:Race\n fun:x\n ...\n whatever: it has\n}\n"
                           "{\n c\n Memcheck,Addrcheck:Leak\n fun:x\n}\n"
                           "{\n d\n Memcheck:Param\n write(buf)\n fun:x\n}\n"
                           "{\n e\n Massif:Leak\n fun:x\n}\n"
                           "leak:y"),
                     2);
    assert_string_equal(complaints, "");
    assert_int_equal(file.passed_over, 6);
    assert_string_equal(rule_at(0)->name, "c");
    assert_string_equal(rule_at(1)->name, "leak:y");
}

/* Each stands between two good rules, which hold; each gives one line, which names the place. */
static const struct {
    const char *rule, *line, *says;
} BAD[] = {
    {"laek:x", "2", "write leak:PATTERN"},
    {"no colon", "2", "write leak:PATTERN"},
    {"leak:", "2", "the pattern is empty"},
    {"leak:  # limit=1", "2", "the pattern is empty"},
    {"leak: x", "2", "a blank behind leak:"},
    {"leak:a$b", "2", "nothing can follow it"},
    {"leak:x # limit=0", "2", "limit=0 is not a count, 1 or more"},
    {"leak:x # limit=-1", "2", "is not a count"},
    {"leak:x # limit=1k", "2", "is not a count"},
    {"leak:x # limit=18446744073709551615", "2", "is not a count"},
    {"leak:x # limit=", "2", "is not a count"},
    {"leak:x # limit=1 limit=2", "2", "limit= is given twice"},
    {"leak:x # bytes=64q", "2", "such as bytes=64k"},
    {"leak:x # bytes=64kb", "2", "such as bytes=64k"},
    {"leak:x # bytes=99999999999999999g", "2", "such as bytes=64k"},
    {"leak:x # until=soon", "2", "such as until=2027-01-31"},
    {"leak:x # until=2027-02-30", "2", "such as until=2027-01-31"},
    {"leak:x # reason=", "2", "reason= needs a text"},
    {"leak:x # limt=1", "2", "unknown setting limt="},
    {"leak:x # limit=1 and more", "2", "\"and more\" is no setting"},
    {"leak:x # about limit=1", "2", "limit= stands behind other words"},
    {"leak:x # see until=2027-01-01", "2", "until= stands behind other words"},
    {"leak:x #:", "2", "no setting"},
    {"#: limt=1\nleak:x", "2", "unknown setting limt="},
    {"#:\nleak:x", "2", "no setting"},
    {"#: limit=1\n#: limit=2\nleak:x", "3", "limit= is given twice"},
    {"{\n}", "3", "a block begins with a line for its name"},
    {"{\n name\n}", "4", "a block begins with a line for its name"},
    {"{\n Memcheck:Leak\n fun:x\n}", "2", "names no caller"}, /* the tool taken for the name, fun:x for the tool */
    {"{\n name\n Leak\n fun:x\n}", "4", "such as Memcheck:Leak"},
    {"{\n name\n Memcheck:Leak\n}", "2", "names no caller"},
    {"{\n name\n Memcheck:Leak\n ...\n}", "2", "names no caller"},
    {"{\n name\n Memcheck:Leak\n fun:malloc\n ...\n}", "2", "names no caller"},
    {"{\n name\n Memcheck:Leak\n fun:calloc\n fun:poolbuf_allocate\n}", "2", "names no caller"},
    {"{\n name\n Memcheck:Leak\n fun:\n}", "5", "the pattern is empty"},
    {"{\n name\n Memcheck:Leak\n func:x\n fun:y\n}", "5", "\"func:x\" is no line of a block"},
    {"{\n name\n Memcheck:Leak\n match-leak-kinds: definte\n fun:y\n}", "5", "unknown leak kind \"definte\""},
    {"{\n name\n Memcheck:Leak\n match-leak-kinds: all,\n fun:y\n}", "5", "unknown leak kind \"\""},
    {"{\n name\n #: limit=x\n Memcheck:Leak\n fun:y\n}", "4", "is not a count"},
};

static void a_bad_rule_is_one_line_and_the_others_hold(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char rules[512];
        char place[32];
        bool other_tool = strstr(BAD[i].rule, "{\n Memcheck:Leak") != NULL;
        snprintf(rules, sizeof rules, "leak:before\n%s\nleak:after\n", BAD[i].rule);
        snprintf(place, sizeof place, "x.supp:%s: ", BAD[i].line);
        size_t count = parse(rules);
        if (other_tool) { /* reads as a block of a tool called "fun" */
            assert_int_equal(file.passed_over, 1);
            assert_int_equal(count, 2);
            continue;
        }
        if (count != 2 || complaint_count() != 1 || strstr(complaints, place) != complaints ||
            strstr(complaints, BAD[i].says) == NULL) {
            fail_msg("%s: %zu rules, \"%s\"", rules, count, complaints);
        }
        assert_int_equal(file.faults, 1);
        assert_string_equal(rule_at(0)->name, "leak:before");
        assert_string_equal(rule_at(1)->name, "leak:after");
        assert_int_equal(file.places.count, 2);
    }
}

static void a_missing_brace_costs_one_rule(void **state) {
    (void)state;
    static const char *const FIRST_LINES[] = {"name\nMemcheck:Leak\nfun:x", "name\nMemcheck:Addr4\nfun:x",
                                              "name\nno kind\nfun:x", "name"};
    for (size_t i = 0; i < sizeof FIRST_LINES / sizeof FIRST_LINES[0]; i++) {
        char rules[256];
        snprintf(rules, sizeof rules, "{\n%s\n{\nsecond\nMemcheck:Leak\nfun:y\n}\nleak:third\n", FIRST_LINES[i]);
        assert_int_equal(parse(rules), 2);
        assert_string_equal(rule_at(0)->name, "second");
        assert_string_equal(rule_at(1)->name, "leak:third");
        assert_non_null(strstr(complaints, "x.supp:"));
    }
    char many[2048] = ""; /* in a row */
    for (size_t i = 0; i < 500; i++) {
        memcpy(many + 4 * i, "{\na\n", 5);
    }
    assert_int_equal(parse(many), 0);
    assert_int_equal(file.faults, 500);
}

static void a_file_that_ends_early_says_where_it_began(void **state) {
    (void)state;
    static const char *const OPEN[] = {"{",
                                       "{\n",
                                       "{\n name",
                                       "{\n name\n Memcheck:Leak",
                                       "{\n name\n Memcheck:Leak\n fun:x\n",
                                       "{\n name\n Memcheck:Addr4\n fun:x\n"};
    for (size_t i = 0; i < sizeof OPEN / sizeof OPEN[0]; i++) {
        char rules[128];
        snprintf(rules, sizeof rules, "leak:before\n%s", OPEN[i]);
        assert_int_equal(parse(rules), 1);
        assert_int_equal(complaint_count(), 1);
        assert_non_null(strstr(complaints, "x.supp:2: no line with a } closes this block"));
    }
    assert_int_equal(parse("leak:before\n#: limit=1\n# end\n"), 1);
    assert_non_null(strstr(complaints, "x.supp:2: settings without a rule"));
    assert_int_equal(parse(""), 0);
    assert_string_equal(complaints, "");
}

static void every_limit_holds(void **state) {
    (void)state;
    char rules[16384];
    char name[SUPPRESS_PATTERN_BYTES + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(rules, sizeof rules, "leak:%s\nleak:%s\n", name, name + 1);
    assert_int_equal(parse(rules), 1);
    assert_non_null(strstr(complaints, "x.supp:1: the pattern is longer than 1024 bytes"));
    snprintf(rules, sizeof rules, "{\n%s\nMemcheck:Leak\nfun:x\n}\n", name);
    assert_int_equal(parse(rules), 0);
    assert_non_null(strstr(complaints, "x.supp:1: the name is longer"));
    snprintf(rules, sizeof rules, "leak:x # reason=%.*s\nleak:y # reason=%.*s\n", SUPPRESS_REASON_BYTES + 1, name,
             SUPPRESS_REASON_BYTES, name);
    assert_int_equal(parse(rules), 1);
    assert_string_equal(rule_at(0)->name, "leak:y");
    size_t used = (size_t)snprintf(rules, sizeof rules, "{\nname\nMemcheck:Leak\n");
    for (size_t i = 0; i < SUPPRESS_FRAMES + 2; i++) {
        used += (size_t)snprintf(rules + used, sizeof rules - used, "fun:x\n");
    }
    snprintf(rules + used, sizeof rules - used, "}\n");
    assert_int_equal(parse(rules), 0);
    assert_int_equal(complaint_count(), 1);
    assert_non_null(strstr(complaints, "more than 64 lines"));
    static char many[(SUPPRESS_RULES + 2) * 7 + 1];
    for (size_t i = 0; i < SUPPRESS_RULES + 2; i++) {
        memcpy(many + 7 * i, "leak:x\n", 8);
    }
    assert_int_equal(parse(many), SUPPRESS_RULES);
    assert_int_equal(complaint_count(), 1);
    assert_non_null(strstr(complaints, "x.supp:4097: more than 4096 rules"));
}

static void complaints_are_one_clean_line_each_and_bounded(void **state) {
    (void)state;
    char rules[1024];
    size_t used = 0;
    for (size_t i = 0; i < SUPPRESS_COMPLAINTS + 5; i++) {
        used += (size_t)snprintf(rules + used, sizeof rules - used, "\033[2J bad\r\x01\n");
    }
    assert_int_equal(parse(rules), 0);
    assert_int_equal(complaint_count(), SUPPRESS_COMPLAINTS + 1);
    assert_non_null(strstr(complaints, "x.supp: and 5 more faults"));
    assert_null(strchr(complaints, '\033'));
    assert_int_equal(parse_bytes("leak:a\0\nleak:b\n", 15), 0);
    assert_non_null(strstr(complaints, "a NUL byte"));
}

/* Whatever bytes a file has, parsing ends, and what holds afterwards is well-formed. */
static void any_bytes_are_survived(void **state) {
    (void)state;
    static const char *const PIECES[] = {"leak:",
                                         "{\n",
                                         "}\n",
                                         "\n",
                                         "#: ",
                                         " # ",
                                         "limit=",
                                         "bytes=1k",
                                         "until=2027-01-31",
                                         "reason=",
                                         "Memcheck:Leak\n",
                                         "fun:",
                                         "obj:*",
                                         "src:a:1",
                                         "...\n",
                                         "x",
                                         "*",
                                         "^",
                                         "$",
                                         "=",
                                         ":",
                                         ",",
                                         "match-leak-kinds:",
                                         "all",
                                         "\t",
                                         "\r\n",
                                         "\xff",
                                         "malloc\n"};
    uint64_t random = 12345;
    for (size_t round = 0; round < 20000; round++) {
        char rules[512] = "";
        size_t used = 0;
        for (size_t i = 0; i < 24; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const char *piece = PIECES[(random >> 33) % (sizeof PIECES / sizeof PIECES[0])];
            used += (size_t)snprintf(rules + used, sizeof rules - used, "%s", piece);
        }
        size_t places = 0;
        size_t count = parse(rules);
        for (size_t i = 0; i < count; i++) {
            const suppress_rule *rule = rule_at(i);
            assert_true(rule->first_place == places);
            assert_true(rule->place_count > rule->allocator_places);
            assert_true(rule->limit_count > 0 && rule->limit_bytes > 0);
            assert_non_null(rule->name);
            places += rule->place_count;
        }
        assert_int_equal(places, file.places.count);
    }
}

static void files_that_are_none_are_one_line(void **state) {
    (void)state;
    char directory[] = "/tmp/poolbuf-test-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/rules", directory);
    suppress_read(&file, path, note_complaint, NULL);
    assert_non_null(strstr(complaints, "/rules: No such file or directory; POOLBUF_LEAK_SUPPRESSIONS names"));
    suppress_fini(&file);
    suppress_read(&file, directory, note_complaint, NULL);
    assert_non_null(strstr(complaints, "Is a directory"));
    suppress_fini(&file);
    assert_int_equal(mkfifo(path, 0600), 0);
    suppress_read(&file, path, note_complaint, NULL);
    assert_non_null(strstr(complaints, "no regular file"));
    suppress_fini(&file);
    unlink(path);
    for (size_t over = 0; over < 2; over++) {
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        for (size_t i = 0; i < SUPPRESS_FILE_BYTES + over; i++) {
            fputc(i % 64 == 63 ? '\n' : '#', out);
        }
        fclose(out);
        complaints[0] = '\0';
        suppress_read(&file, path, note_complaint, NULL);
        assert_int_equal(complaint_count(), over);
        assert_int_equal(file.faults, over);
        suppress_fini(&file);
    }
    assert_non_null(strstr(complaints, "larger than 1 MiB"));
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("leak:x\nleak:y", out);
    fclose(out);
    suppress_read(&file, path, note_complaint, NULL);
    assert_int_equal(file.rules.count, 2);
    assert_string_equal(rule_at(1)->name, "leak:y");
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(leaksanitizers_patterns_match_anywhere_unless_anchored),
        TEST(valgrinds_patterns_cover_the_whole_text),
        TEST(many_stars_cost_no_more_than_the_product_of_lengths),
        TEST(days_are_those_of_the_calendar),
        TEST(a_leak_rule_looks_at_function_file_and_module_of_every_frame),
        TEST(a_block_matches_from_the_innermost_frame_on),
        TEST(a_block_of_memchecks_may_begin_in_the_allocator),
        TEST(settings_stand_behind_or_before_a_rule),
        TEST(a_byte_order_mark_is_no_part_of_the_first_rule),
        TEST(rules_of_other_tools_are_passed_over_and_counted),
        TEST(a_bad_rule_is_one_line_and_the_others_hold),
        TEST(a_missing_brace_costs_one_rule),
        TEST(a_file_that_ends_early_says_where_it_began),
        TEST(every_limit_holds),
        TEST(complaints_are_one_clean_line_each_and_bounded),
        TEST(any_bytes_are_survived),
        TEST(files_that_are_none_are_one_line),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
