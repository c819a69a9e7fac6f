/* The database of history_store.h. */
#include "history_store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "metrics.h"
#include "reports/sentence.h"

enum {
    APPLICATION_ID = 0x70626866, /* "pbhf" */
    LAYOUT = 1,
    WAIT_MS = 10000
};

struct history_store {
    sqlite3 *database;
    const char *path;
};

static const char TABLES[] =
    "CREATE TABLE environments(id INTEGER PRIMARY KEY, cpu TEXT NOT NULL, cores TEXT NOT NULL, kernel TEXT NOT NULL,"
    " compiler TEXT NOT NULL, build_type TEXT NOT NULL, build_flags TEXT NOT NULL, leak_level TEXT NOT NULL,"
    " length TEXT NOT NULL,"
    " UNIQUE(cpu, cores, kernel, compiler, build_type, build_flags, leak_level, length));"
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, created TEXT NOT NULL, label TEXT,"
    " accepted TEXT, tool_version TEXT, suite TEXT, rounds INTEGER, environment INTEGER NOT NULL REFERENCES "
    "environments);"
    "CREATE INDEX runs_in_order ON runs(environment, created, id);"
    "CREATE TABLE works(id INTEGER PRIMARY KEY, scenario TEXT NOT NULL, plays TEXT NOT NULL, UNIQUE(scenario, plays));"
    "CREATE TABLE figures(run INTEGER NOT NULL REFERENCES runs, work INTEGER NOT NULL REFERENCES works,"
    " subject TEXT NOT NULL, metric TEXT NOT NULL, rate REAL NOT NULL, median REAL NOT NULL, low REAL, high REAL,"
    " PRIMARY KEY(run, work, subject, metric, rate)) WITHOUT ROWID;"
    "CREATE TABLE subjects(run INTEGER NOT NULL REFERENCES runs, subject TEXT NOT NULL, version TEXT NOT NULL,"
    " note TEXT NOT NULL, PRIMARY KEY(run, subject)) WITHOUT ROWID;";

/* What has no figures, and why. Files of programs before it have no such table, and get one with the next run: those programs
 * read such a file as before, so it is no other layout. */
static const char LATER_TABLES[] =
    "CREATE TABLE IF NOT EXISTS absences(run INTEGER NOT NULL REFERENCES runs, work INTEGER NOT NULL REFERENCES works,"
    " subject TEXT NOT NULL, status TEXT NOT NULL, message TEXT, PRIMARY KEY(run, work, subject)) WITHOUT ROWID;";

/* ---- SQLite ---- */

static bool complain(const history_store *self, char *error) {
    snprintf(error, HISTORY_ERROR_BYTES, "%s: %s", self->path, sqlite3_errmsg(self->database));
    return false;
}

/* SQLite says that it could not, the system why. */
static void complain_of_opening(const history_store *self, bool to_write, char *error) {
    const int reason = self->database == NULL ? 0 : sqlite3_system_errno(self->database);
    if (reason == 0) {
        (void)complain(self, error);
        return;
    }
    snprintf(error, HISTORY_ERROR_BYTES, "%s: %s: %s; --db names a file %s", self->path, sqlite3_errmsg(self->database),
             strerror(reason), to_write ? "in a folder that can be written" : "that can be read");
}

static bool execute(const history_store *self, const char *sql, char *error) {
    return sqlite3_exec(self->database, sql, NULL, NULL, NULL) == SQLITE_OK || complain(self, error);
}

static sqlite3_stmt *prepare(const history_store *self, const char *sql, char *error) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(self->database, sql, -1, &statement, NULL) != SQLITE_OK) {
        complain(self, error);
    }
    return statement;
}

/* NULL becomes SQL's. The texts outlive the statement. */
static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *statement, int at, double number) {
    if (isfinite(number)) {
        (void)sqlite3_bind_double(statement, at, number);
    } else {
        (void)sqlite3_bind_null(statement, at);
    }
}

static const char *column_text(sqlite3_stmt *statement, int at) {
    return (const char *)sqlite3_column_text(statement, at);
}

static double column_number(sqlite3_stmt *statement, int at) {
    return sqlite3_column_type(statement, at) == SQLITE_NULL ? MODEL_NAN : sqlite3_column_double(statement, at);
}

/* Runs a statement for its one number; false with a line in error. `found` may be NULL. */
static bool finish_number(const history_store *self, sqlite3_stmt *statement, bool *found, int64_t *number,
                          char *error) {
    const int step = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
    const bool fine = step == SQLITE_ROW || step == SQLITE_DONE;
    if (step == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
    }
    if (found != NULL) {
        *found = step == SQLITE_ROW;
    }
    if (statement != NULL && !fine) {
        complain(self, error);
    }
    (void)sqlite3_finalize(statement);
    return fine;
}

/* ---- opening ---- */

static bool read_pragma(const history_store *self, const char *sql, int64_t *number, char *error) {
    return finish_number(self, prepare(self, sql, error), NULL, number, error);
}

/* Takes the file for itself while it looks, or two programs would both make the tables. */
static bool make_or_check(const history_store *self, bool to_write, char *error) {
    int64_t application = 0;
    int64_t layout = 0;
    int64_t tables = 0;
    if (!execute(self, to_write ? "BEGIN IMMEDIATE" : "BEGIN", error) ||
        !read_pragma(self, "PRAGMA application_id", &application, error) ||
        !read_pragma(self, "PRAGMA user_version", &layout, error) ||
        !read_pragma(self, "SELECT count(*) FROM sqlite_master", &tables, error)) {
        return false;
    }
    if (to_write && tables == 0 && application == 0) {
        char pragmas[96];
        snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
                 LAYOUT);
        return execute(self, TABLES, error) && execute(self, LATER_TABLES, error) && execute(self, pragmas, error);
    }
    if (application != APPLICATION_ID) {
        snprintf(error, HISTORY_ERROR_BYTES, "%s is a database, but no history of poolbuf's; give another --db",
                 self->path);
        return false;
    }
    if (layout != LAYOUT) {
        snprintf(error, HISTORY_ERROR_BYTES, "%s has layout %lld, of another version of poolbuf; this one knows %d",
                 self->path, (long long)layout, LAYOUT);
        return false;
    }
    return !to_write || execute(self, LATER_TABLES, error);
}

/* SQLite has databases without a file under two names, which would be gone with the program. */
static bool is_possible(const char *path, bool to_write, char *error) {
    struct stat found;
    if (path[0] == '\0' || strcmp(path, ":memory:") == 0) {
        snprintf(error, HISTORY_ERROR_BYTES, "--db \"%s\" is no file; give one, such as history.sqlite", path);
    } else if (stat(path, &found) != 0) {
        const bool may_be_made = errno == ENOENT && to_write;
        snprintf(error, HISTORY_ERROR_BYTES, errno == ENOENT ? "%s: %s; `poolbuf history add` makes it" : "%s: %s",
                 path, strerror(errno));
        return may_be_made;
    } else if (!S_ISREG(found.st_mode)) {
        snprintf(error, HISTORY_ERROR_BYTES, "%s is no regular file, so it can be no database", path);
    } else {
        return true;
    }
    return false;
}

history_store *history_store_open(const char *path, bool to_write, char *error) {
    if (!is_possible(path, to_write, error)) {
        return NULL;
    }
    history_store *self = calloc(1, sizeof *self);
    if (self == NULL) {
        snprintf(error, HISTORY_ERROR_BYTES, "%s: out of memory", path);
        return NULL;
    }
    self->path = path;
    const int flags = to_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(path, &self->database, flags, NULL) != SQLITE_OK) {
        complain_of_opening(self, to_write, error);
    } else {
        (void)sqlite3_busy_timeout(self->database, WAIT_MS);
        if (make_or_check(self, to_write, error)) {
            return self;
        }
    }
    history_store_close(self);
    return NULL;
}

void history_store_close(history_store *self) {
    if (self != NULL) {
        (void)sqlite3_close(self->database);
        free(self);
    }
}

bool history_store_commit(history_store *self, char *error) {
    return execute(self, "COMMIT", error);
}

/* ---- adding ---- */

static const char *known_text(const char *text) {
    return text != NULL ? text : "";
}

/* The row's id, which is made where there is none: the insertion does nothing then. */
static bool find_id(const history_store *self, const char *insert, const char *select, const char *const *texts,
                    int count, int64_t *id, char *error) {
    const char *const statements[] = {insert, select};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *statement = prepare(self, statements[i], error);
        for (int at = 0; statement != NULL && at < count; at++) {
            bind_text(statement, at + 1, texts[at]);
        }
        if (!finish_number(self, statement, NULL, id, error)) {
            return false;
        }
    }
    return true;
}

static bool add_environment(const history_store *self, const results_model *results, int64_t *id, char *error) {
    char cores[24] = "";
    if (results->host.cores != MODEL_UNKNOWN) {
        snprintf(cores, sizeof cores, "%llu", (unsigned long long)results->host.cores);
    }
    const char *const texts[] = {
        known_text(results->host.cpu),       cores,
        known_text(results->host.kernel),    known_text(results->build.compiler),
        known_text(results->build.type),     known_text(results->build.flags),
        known_text(results->run.leak_level), results->run.quick ? "quick" : "full",
    };
    return find_id(
        self,
        "INSERT OR IGNORE INTO environments(cpu, cores, kernel, compiler, build_type, build_flags, leak_level,"
        " length) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        "SELECT id FROM environments WHERE cpu = ? AND cores = ? AND kernel = ? AND compiler = ? AND"
        " build_type = ? AND build_flags = ? AND leak_level = ? AND length = ?",
        texts, sizeof texts / sizeof texts[0], id, error);
}

/* The operations' digest says what is played; results of older programs have none, and then counts and the seed must do. */
static bool add_work(const history_store *self, const results_model *results, const results_scenario *scenario,
                     int64_t *id, char *error) {
    char counts[160];
    snprintf(counts, sizeof counts, "%llu threads, %llu operations, %llu allocations, seed %llu",
             (unsigned long long)scenario->threads, (unsigned long long)scenario->operations,
             (unsigned long long)scenario->allocations, (unsigned long long)results->run.seed);
    const char *const texts[] = {scenario->name, scenario->stream_digest != NULL ? scenario->stream_digest : counts};
    return find_id(self, "INSERT OR IGNORE INTO works(scenario, plays) VALUES(?, ?)",
                   "SELECT id FROM works WHERE scenario = ? AND plays = ?", texts, 2, id, error);
}

static bool add_run(const history_store *self, const results_model *results, const history_entry *entry,
                    int64_t environment, int64_t *run, char *error) {
    sqlite3_stmt *statement = prepare(self,
                                      "INSERT INTO runs(digest, created, label, accepted, tool_version, suite, rounds,"
                                      " environment) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                                      error);
    if (statement != NULL) {
        bind_text(statement, 1, entry->digest);
        bind_text(statement, 2, results->created);
        bind_text(statement, 3, entry->label);
        bind_text(statement, 4, entry->accepted);
        bind_text(statement, 5, results->tool_version);
        bind_text(statement, 6, results->run.suite);
        bind_number(statement, 7, results->run.rounds == MODEL_UNKNOWN ? MODEL_NAN : (double)results->run.rounds);
        (void)sqlite3_bind_int64(statement, 8, environment);
    }
    int64_t ignored = 0;
    const bool fine = finish_number(self, statement, NULL, &ignored, error);
    *run = sqlite3_last_insert_rowid(self->database);
    return fine;
}

/* Of rounds or processes where there are two or more; else the pass's one number. */
static model_estimate figure_of(metric which, const results_result *result) {
    double *samples = NULL;
    size_t count = 0;
    (void)metric_samples(which, result, &samples, &count);
    free(samples);
    return metric_estimate(which, result, metric_option(which) != NULL && count < 2);
}

static bool add_figure(const history_store *self, sqlite3_stmt *statement, metric which, const results_result *result,
                       uint64_t *figures, char *error) {
    const model_estimate figure = figure_of(which, result);
    if (!isfinite(figure.median)) {
        return true;
    }
    const double rate = metric_rate(which, result);
    bind_text(statement, 3, result->subject);
    bind_text(statement, 4, metric_name(which));
    bind_number(statement, 5, isfinite(rate) ? rate : 0);
    bind_number(statement, 6, figure.median);
    bind_number(statement, 7, figure.low);
    bind_number(statement, 8, figure.high);
    *figures += 1;
    const bool fine = sqlite3_step(statement) == SQLITE_DONE;
    (void)sqlite3_reset(statement);
    return fine || complain(self, error);
}

static bool add_absence(const history_store *self, sqlite3_stmt *statement, const results_result *result, char *error) {
    bind_text(statement, 3, result->subject);
    bind_text(statement, 4, result_status_name(result->status));
    bind_text(statement, 5, result->message);
    const bool fine = sqlite3_step(statement) == SQLITE_DONE;
    (void)sqlite3_reset(statement);
    return fine || complain(self, error);
}

static bool add_figures(const history_store *self, const results_model *results, int64_t run, uint64_t *figures,
                        char *error) {
    sqlite3_stmt *statement = prepare(self,
                                      "INSERT INTO figures(run, work, subject, metric, rate, median, low, high)"
                                      " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                                      error);
    sqlite3_stmt *absence =
        statement == NULL
            ? NULL
            : prepare(self, "INSERT INTO absences(run, work, subject, status, message) VALUES(?, ?, ?, ?, ?)", error);
    bool fine = absence != NULL;
    for (size_t i = 0; fine && i < results->scenario_count; i++) {
        const results_scenario *scenario = results->scenarios[i];
        int64_t work = 0;
        fine = add_work(self, results, scenario, &work, error);
        sqlite3_stmt *const both[] = {statement, absence};
        for (int k = 0; k < 2; k++) {
            (void)sqlite3_bind_int64(both[k], 1, run);
            (void)sqlite3_bind_int64(both[k], 2, work);
        }
        for (size_t j = 0; fine && j < scenario->result_count; j++) {
            const results_result *result = scenario->results[j];
            if (result->status != RESULT_OK) {
                fine = add_absence(self, absence, result, error);
            }
            for (int which = 0; fine && result->status == RESULT_OK && which < METRIC_COUNT; which++) {
                fine = add_figure(self, statement, (metric)which, result, figures, error);
            }
        }
    }
    (void)sqlite3_finalize(absence);
    (void)sqlite3_finalize(statement);
    return fine;
}

/* Which allocator served under a subject's name. */
static bool add_subjects(const history_store *self, const results_model *results, int64_t run, char *error) {
    bool fine = true;
    for (size_t i = 0; fine && i < results->subject_count; i++) {
        const results_subject *subject = results->subjects[i];
        sqlite3_stmt *statement =
            prepare(self, "INSERT INTO subjects(run, subject, version, note) VALUES(?, ?, ?, ?)", error);
        int64_t ignored = 0;
        if (statement != NULL) {
            (void)sqlite3_bind_int64(statement, 1, run);
            bind_text(statement, 2, subject->name);
            bind_text(statement, 3, known_text(subject->version));
            bind_text(statement, 4, known_text(subject->note));
        }
        fine = finish_number(self, statement, NULL, &ignored, error);
    }
    return fine;
}

static bool find_run(const history_store *self, const char *digest, bool *found, char *error) {
    int64_t ignored = 0;
    sqlite3_stmt *statement = prepare(self, "SELECT id FROM runs WHERE digest = ?", error);
    if (statement != NULL) {
        bind_text(statement, 1, digest);
    }
    return finish_number(self, statement, found, &ignored, error);
}

static bool count_runs(const history_store *self, int64_t environment, uint64_t *runs, char *error) {
    int64_t count = 0;
    sqlite3_stmt *statement = prepare(self, "SELECT count(*) FROM runs WHERE environment = ?", error);
    if (statement != NULL) {
        (void)sqlite3_bind_int64(statement, 1, environment);
    }
    const bool fine = finish_number(self, statement, NULL, &count, error);
    *runs = (uint64_t)count;
    return fine;
}

history_added history_store_add(history_store *self, const results_model *results, const history_entry *entry,
                                uint64_t *figures, uint64_t *runs, char *error) {
    bool known = false;
    int64_t environment = 0;
    int64_t run = 0;
    *figures = 0;
    if (!find_run(self, entry->digest, &known, error)) {
        return HISTORY_FAILED;
    }
    if (known) {
        return HISTORY_KNOWN;
    }
    if (!add_environment(self, results, &environment, error) ||
        !add_run(self, results, entry, environment, &run, error) || !add_subjects(self, results, run, error) ||
        !add_figures(self, results, run, figures, error) || !count_runs(self, environment, runs, error)) {
        return HISTORY_FAILED;
    }
    return HISTORY_ADDED;
}

/* ---- reading ---- */

/* What stands around a fact. */
typedef struct fact_form {
    const char *before, *behind;
} fact_form;

static const char *join_facts(history_model *model, sqlite3_stmt *statement, int first, const fact_form *forms,
                              int count) {
    sentence out;
    sentence_init(&out);
    for (int i = 0; i < count; i++) {
        const char *fact = column_text(statement, first + i);
        if (fact != NULL && fact[0] != '\0') {
            sentence_join(&out, "%s%s%s", forms[i].before, fact, forms[i].behind);
        }
    }
    return sentence_keep(&out, model->arena);
}

/* The newest run's environment, in words. */
static bool read_environment(const history_store *self, history_model *model, int64_t *id, char *error) {
    static const fact_form HOST[] = {{"", ""}, {"", " cores"}, {"", ""}};
    static const fact_form BUILD[] = {{"", ""}, {"", ""}, {"", ""}, {"leak level ", ""}, {"", " runs"}};
    sqlite3_stmt *statement =
        prepare(self,
                "SELECT e.id, cpu, cores, kernel, compiler, build_type, build_flags, leak_level, length, r.created,"
                " r.label, r.id FROM runs r JOIN environments e ON e.id = r.environment"
                " ORDER BY r.created DESC, r.id DESC LIMIT 1",
                error);
    const int step = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        *id = sqlite3_column_int64(statement, 0);
        model->host = join_facts(model, statement, 1, HOST, sizeof HOST / sizeof HOST[0]);
        model->build = join_facts(model, statement, 4, BUILD, sizeof BUILD / sizeof BUILD[0]);
        model->newest = model_text(model->arena, column_text(statement, 9));
        model->newest_label = model_text(model->arena, column_text(statement, 10));
        model->newest_run = (uint64_t)sqlite3_column_int64(statement, 11);
    } else if (step == SQLITE_DONE) {
        snprintf(error, HISTORY_ERROR_BYTES, "%s has no runs; `poolbuf history add` adds them", self->path);
    } else if (statement != NULL) {
        complain(self, error);
    }
    (void)sqlite3_finalize(statement);
    return step == SQLITE_ROW;
}

/* Shows each row of a statement, whose parameters are the environment and the limit. */
typedef void row_visitor(history_model *model, sqlite3_stmt *row);

static bool visit_rows(const history_store *self, const char *sql, int64_t environment, uint64_t limit,
                       row_visitor *visit, history_model *model, char *error) {
    sqlite3_stmt *statement = prepare(self, sql, error);
    int step = SQLITE_ERROR;
    if (statement != NULL) {
        (void)sqlite3_bind_int64(statement, 1, environment);
        (void)sqlite3_bind_int64(statement, 2, (int64_t)limit);
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
            visit(model, statement);
        }
        if (step != SQLITE_DONE) {
            complain(self, error);
        }
    }
    (void)sqlite3_finalize(statement);
    return step == SQLITE_DONE;
}

/* The point's series: the last one, or a new one. Rows come series by series. */
static history_series *series_of(history_model *model, sqlite3_stmt *row) {
    const char *scenario = column_text(row, 0);
    const char *subject = column_text(row, 1);
    const char *name = column_text(row, 2);
    const double rate = sqlite3_column_double(row, 3);
    const char *titled = rate > 0 ? model_text_format(model->arena, "%s at %.0f/s", name, rate) : name;
    history_series *last = model->series_count == 0 ? NULL : model->series[model->series_count - 1];
    if (last != NULL && strcmp(last->scenario, scenario) == 0 && strcmp(last->subject, subject) == 0 &&
        strcmp(last->metric, titled) == 0) {
        return last;
    }
    history_series *series = history_model_add_series(model, scenario, subject, titled);
    const metric which = metric_find(name, strlen(name));
    series->unit = which == METRIC_COUNT ? COMPARE_UNKNOWN_UNIT : metric_unit(which);
    return series;
}

static void add_point(history_model *model, sqlite3_stmt *row) {
    history_point *point = history_series_add_point(model, series_of(model, row));
    point->run = (uint64_t)sqlite3_column_int64(row, 4);
    point->created = model_text(model->arena, column_text(row, 5));
    point->label = model_text(model->arena, column_text(row, 6));
    point->accepted = model_text(model->arena, column_text(row, 7));
    point->value = (model_estimate){column_number(row, 8), column_number(row, 9), column_number(row, 10)};
}

/* Of each scenario the work that it had in its last run here. */
static const char FIGURES[] =
    "WITH shown AS (SELECT id, created FROM runs WHERE environment = ?1 ORDER BY created DESC, id DESC LIMIT ?2),"
    " played AS (SELECT DISTINCT f.work, s.created, s.id AS run FROM figures f JOIN shown s ON s.id = f.run),"
    " latest AS (SELECT work, scenario, row_number() OVER (PARTITION BY scenario ORDER BY created DESC, run DESC) AS "
    "place"
    "  FROM played JOIN works w ON w.id = work)"
    " SELECT l.scenario, f.subject, f.metric, f.rate, r.id, r.created, r.label, r.accepted, f.median, f.low, f.high"
    " FROM latest l JOIN figures f ON f.work = l.work JOIN shown s ON s.id = f.run JOIN runs r ON r.id = f.run"
    " WHERE l.place = 1 ORDER BY l.scenario, f.subject, f.metric, f.rate, r.created, r.id";

static const char COUNTS[] =
    "SELECT count(*), min(created), (SELECT count(*) FROM runs WHERE environment <> ?1) FROM"
    " (SELECT created FROM runs WHERE environment = ?1 ORDER BY created DESC, id DESC LIMIT ?2)";

static const char RUNS[] = "SELECT id, accepted IS NOT NULL FROM runs WHERE environment = ?1"
                           " ORDER BY created DESC, id DESC LIMIT ?2";

static void add_shown_run(history_model *model, sqlite3_stmt *row) {
    history_run *run = model_allocate(model->arena, sizeof *run);
    run->run = (uint64_t)sqlite3_column_int64(row, 0);
    run->accepted = sqlite3_column_int(row, 1) != 0;
    model_append(model->arena, &model->runs, &model->shown_count, run);
}

static const char ABSENCES[] =
    "SELECT w.scenario, a.subject, a.status, a.message FROM absences a JOIN works w ON w.id = a.work WHERE a.run ="
    " (SELECT id FROM runs WHERE environment = ?1 ORDER BY created DESC, id DESC LIMIT 1) ORDER BY 1, 2";

static void add_shown_absence(history_model *model, sqlite3_stmt *row) {
    history_absence *absence = model_allocate(model->arena, sizeof *absence);
    absence->scenario = model_text(model->arena, column_text(row, 0));
    absence->subject = model_text(model->arena, column_text(row, 1));
    absence->status = model_text(model->arena, column_text(row, 2));
    absence->message = model_text(model->arena, column_text(row, 3));
    model_append(model->arena, &model->absences, &model->absence_count, absence);
}

/* How many runs are shown, from when on, and how many there are of other environments. */
static void add_counts(history_model *model, sqlite3_stmt *row) {
    const long long others = sqlite3_column_int64(row, 2);
    model->run_count = (uint64_t)sqlite3_column_int64(row, 0);
    model->oldest = model_text(model->arena, column_text(row, 1));
    if (others > 0) {
        history_model_add_remark(model, model_text_format(model->arena,
                                                          "%lld run%s of other hosts, kernels or builds cannot be "
                                                          "compared with the newest, and are left out",
                                                          others, others == 1 ? "" : "s"));
    }
}

static const char CHANGED_WORKS[] =
    "SELECT w.scenario FROM figures f JOIN works w ON w.id = f.work WHERE f.run IN"
    " (SELECT id FROM runs WHERE environment = ?1 ORDER BY created DESC, id DESC LIMIT ?2)"
    " GROUP BY w.scenario HAVING count(DISTINCT f.work) > 1 ORDER BY w.scenario";

/* A scenario whose file or seed has changed begins anew, which is said. */
static void add_changed_work(history_model *model, sqlite3_stmt *row) {
    history_model_add_remark(
        model,
        model_text_format(model->arena, "%s has changed what it plays: runs before that are left out of its series",
                          column_text(row, 0)));
}

/* The last run in which a subject was served by another than in the run before. Ours change with every build: that is what a
 * history is about. */
static const char CHANGED_SUBJECTS[] =
    "WITH shown AS (SELECT id, created, label FROM runs WHERE environment = ?1 ORDER BY created DESC, id DESC LIMIT "
    "?2),"
    " rows AS (SELECT b.subject, b.version, b.note, coalesce(s.label, s.created) AS name, s.created, s.id,"
    "  lag(b.version) OVER w AS version_before, lag(b.note) OVER w AS note_before"
    "  FROM subjects b JOIN shown s ON s.id = b.run"
    "  WINDOW w AS (PARTITION BY b.subject ORDER BY s.created, s.id)),"
    " changes AS (SELECT *, row_number() OVER (PARTITION BY subject ORDER BY created DESC, id DESC) AS place FROM rows"
    "  WHERE note <> note_before OR version <> version_before AND"
    "   NOT (version LIKE 'poolbuf %' AND version_before LIKE 'poolbuf %'))"
    " SELECT subject, name, version_before, note_before, version, note FROM changes WHERE place = 1 ORDER BY subject";

/* "2.36 (GLIBC_TUNABLES is set)" */
static const char *identity(history_model *model, sqlite3_stmt *row, int at) {
    const char *version = column_text(row, at);
    const char *note = column_text(row, at + 1);
    version = version[0] != '\0' ? version : "an unknown version";
    return note[0] == '\0' ? model_text(model->arena, version)
                           : model_text_format(model->arena, "%s (%s)", version, note);
}

static void add_changed_subject(history_model *model, sqlite3_stmt *row) {
    const char *before = identity(model, row, 2);
    const char *now = identity(model, row, 4);
    history_model_add_remark(model, model_text_format(model->arena, "%s is not the same before %s: %s, and then %s",
                                                      column_text(row, 0), column_text(row, 1), before, now));
}

bool history_store_read(history_store *self, uint64_t limit, history_model *model, char *error) {
    static const struct {
        const char *sql;
        row_visitor *visit;
    } PARTS[] = {{COUNTS, add_counts},
                 {CHANGED_WORKS, add_changed_work},
                 {CHANGED_SUBJECTS, add_changed_subject},
                 {FIGURES, add_point},
                 {RUNS, add_shown_run},
                 {ABSENCES, add_shown_absence}};
    int64_t environment = 0;
    int64_t later_tables = 0;
    model->database = model_text(model->arena, self->path);
    bool fine = read_environment(self, model, &environment, error) &&
                read_pragma(self, "SELECT count(*) FROM sqlite_master WHERE name = 'absences'", &later_tables, error);
    const size_t count = sizeof PARTS / sizeof PARTS[0] - (later_tables == 0 ? 1 : 0);
    for (size_t i = 0; fine && i < count; i++) {
        fine = visit_rows(self, PARTS[i].sql, environment, limit, PARTS[i].visit, model, error);
    }
    return fine;
}
