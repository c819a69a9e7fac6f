/* Words and suffixes to formats. */
#include "formats.h"
#include "scenario/near.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *suffix, *word;
} SUFFIXES[] = {{".sarif.json", "sarif"}, {".sarif", "sarif"},        {".json", "json"}, {".md", "markdown"},
                {".html", "html"},        {".htm", "html"},           {".txt", "text"},  {".xml", "junit"},
                {".folded", "collapsed"}, {".collapsed", "collapsed"}};

const char *formats_by_suffix(const char *path) {
    const size_t length = strlen(path);
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0]; i++) {
        const size_t size = strlen(SUFFIXES[i].suffix);
        if (length >= size && strcmp(path + length - size, SUFFIXES[i].suffix) == 0) {
            return SUFFIXES[i].word;
        }
    }
    return NULL;
}

static const char *word_of_path(const char *path) {
    const char *word = path != NULL ? formats_by_suffix(path) : NULL;
    return word != NULL ? word : "text";
}

int formats_choose(const command_line *line, report_kind kind, const char *word, const char *path, report_format *out) {
    const char *chosen = word != NULL ? word : word_of_path(path);
    if (!report_format_parse(kind, chosen, out)) {
        static const char *const WORDS[] = {"text", "markdown", "html", "json", "junit", "sarif", "collapsed"};
        const char *near = near_word(chosen, WORDS, sizeof WORDS / sizeof WORDS[0]);
        report_format ignored = REPORT_TEXT;
        if (near != NULL && report_format_parse(kind, near, &ignored)) {
            return usage_error(line, "--format: unknown format \"%s\", did you mean \"%s\"? (%s)", chosen, near,
                               report_format_names(kind));
        }
        return usage_error(line, "--format: no format \"%s\" here; it must be one of %s", chosen,
                           report_format_names(kind));
    }
    if (*out == REPORT_HTML && (path == NULL || strcmp(path, "-") == 0) && isatty(STDOUT_FILENO) == 1) {
        return usage_error(line, "HTML is not for a terminal: give -o report.html, or redirect stdout");
    }
    return ARGUMENTS_PROCEED;
}

const char *const FORMATS_WEIGHTS[] = {"count", "bytes", NULL};

report_weight formats_weight(const char *word) {
    return word == FORMATS_WEIGHTS[REPORT_BY_BYTES] ? REPORT_BY_BYTES : REPORT_BY_COUNT;
}

const char *formats_find_root(const command_line *line, const char *folder, char *root) {
    struct stat found;
    if (realpath(folder, root) == NULL || stat(root, &found) != 0) {
        (void)usage_error(line, "--source-root: \"%s\": %s", folder, strerror(errno));
        return NULL;
    }
    if (!S_ISDIR(found.st_mode)) {
        (void)usage_error(line, "--source-root: \"%s\" is no folder", folder);
        return NULL;
    }
    if (strcmp(root, "/") == 0) {
        root[0] = '\0';
    }
    return root;
}
