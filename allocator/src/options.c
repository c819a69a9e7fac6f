/* Options: the table made from options_list.h, the environment's parser, and the allocator's options as a struct.
 *
 * Nothing is parsed twice into globals: whoever wants an option reads it from the environment, once, at its own start.
 * What is remembered is which complaints have been printed, one bit an option, so that each is printed once. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <poolbuf/allocator.h>

#include "os/os.h"

typedef enum option_id {
#define OPTION(id, environment, type, default_text, legal, minimum, maximum, help) OPTION_##id,
#include "options_list.h"
#undef OPTION
    OPTION_COUNT
} option_id;

typedef enum option_type {
    TYPE_FLAG,
    TYPE_CHOICE,
    TYPE_COUNT,
    TYPE_BYTES,
    TYPE_PATH,
    TYPE_TEXT
} option_type;

typedef struct option_row {
    poolbuf_option public_row;
    option_type type;
    uint64_t minimum, maximum;
} option_row;

static const option_row ROWS[] = {
#define TYPE_NAME_FLAG   "flag"
#define TYPE_NAME_CHOICE "choice"
#define TYPE_NAME_COUNT  "count"
#define TYPE_NAME_BYTES  "bytes"
#define TYPE_NAME_PATH   "path"
#define TYPE_NAME_TEXT   "text"
#define OPTION(id, environment, type, default_text, legal, minimum, maximum, help)                                     \
    {{environment, TYPE_NAME_##type, default_text, legal, help}, TYPE_##type, minimum, maximum},
#include "options_list.h"
#undef OPTION
};

/* Variables that belong to the project's tests and not to users: they are no options, yet no mistakes either. */
static const char *const OTHER_NAMES[] = {"POOLBUF_UPDATE_GOLDEN"};

static const char PREFIX[] = "POOLBUF_";

_Static_assert(OPTION_COUNT < 64, "one bit an option in complaints");
#define COMPLAINT_ENVIRONMENT ((uint64_t)1 << 63) /* the environment has been looked through */
static uint64_t complaints;                       /* atomic; bits by option_id */

/* Sets a bit; true if it was clear. */
static bool complaints_first(uint64_t bit) {
    return (__atomic_fetch_or(&complaints, bit, __ATOMIC_RELAXED) & bit) == 0;
}

void options_forget_complaints(void) {
    __atomic_store_n(&complaints, 0, __ATOMIC_RELAXED);
}

size_t poolbuf_option_count(void) {
    return OPTION_COUNT;
}

const poolbuf_option *poolbuf_option_at(size_t index) {
    return index < OPTION_COUNT ? &ROWS[index].public_row : NULL;
}

/* The environment belongs to whoever starts the program. One with more rights than they have (set-user-ID and its kind)
 * must not write files, stop, or take a geometry because they say so: there every option has its default. */
static const char *environment_text(const char *name) {
    return secure_getenv(name);
}

static bool environment_is_ours(void) {
    return getauxval(AT_SECURE) == 0;
}

/* ---- Words -------------------------------------------------------------------------------------------------------- */

/* As getenv() compares: in another case it is another name, which nobody reads. */
static bool name_equal(const char *text, size_t length, const char *name) {
    return strlen(name) == length && strncmp(text, name, length) == 0;
}

static bool parse_flag(const char *text, bool *value) {
    static const char *const ON[] = {"on", "1", "true", "yes"};
    static const char *const OFF[] = {"off", "0", "false", "no"};
    for (size_t i = 0; i < sizeof ON / sizeof ON[0]; i++) {
        if (strcasecmp(text, ON[i]) == 0) {
            *value = true;
            return true;
        }
        if (strcasecmp(text, OFF[i]) == 0) {
            *value = false;
            return true;
        }
    }
    return false;
}

/* One of the words in `a|b|c`, or its number. */
static bool parse_choice(const char *text, const char *words, unsigned *value) {
    unsigned index = 0;
    for (const char *word = words;; index++) {
        size_t length = strcspn(word, "|");
        char number[12];
        (void)snprintf(number, sizeof number, "%u", index);
        if ((strlen(text) == length && strncasecmp(text, word, length) == 0) || strcmp(text, number) == 0) {
            *value = index;
            return true;
        }
        if (word[length] == '\0') {
            return false;
        }
        word += length + 1;
    }
}

/* A decimal number; bytes may end in k, m, g or t. "auto" is UINT64_MAX where the row's default says so. */
static bool parse_number(const option_row *row, const char *text, uint64_t *value) {
    if (strcasecmp(text, "auto") == 0 && strcmp(row->public_row.default_text, "auto") == 0) {
        *value = UINT64_MAX;
        return true;
    }
    if (text[0] < '0' || text[0] > '9') {
        return false; /* strtoull() would take a sign or blanks */
    }
    char *end = NULL;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    if (row->type == TYPE_BYTES && *end != '\0') {
        static const char UNITS[] = "kmgt";
        const char *unit = strchr(UNITS, *end | 0x20);
        if (unit == NULL || *unit == '\0') {
            return false;
        }
        unsigned shift = 10 * (unsigned)(unit - UNITS + 1);
        if (number > UINT64_MAX >> shift) {
            return false;
        }
        number <<= shift;
        end++;
    }
    if (*end != '\0' || number < row->minimum || number > row->maximum) {
        return false;
    }
    *value = number;
    return true;
}

/* ---- Complaints --------------------------------------------------------------------------------------------------- */

/* Letters to change, insert or drop to make one name of the other, case aside; enough for names this short. */
static unsigned edit_distance(const char *a, const char *b) {
    unsigned row[64];
    size_t width = strlen(b);
    if (width >= sizeof row / sizeof row[0]) {
        return UINT32_MAX;
    }
    for (size_t j = 0; j <= width; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < width; j++) {
            unsigned change = diagonal + (toupper((unsigned char)a[i]) != toupper((unsigned char)b[j]));
            diagonal = row[j + 1];
            unsigned best = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            row[j + 1] = change < best ? change : best;
        }
    }
    return row[width];
}

static bool strict(void) {
    const char *text = environment_text("POOLBUF_STRICT");
    bool on = false;
    return text != NULL && parse_flag(text, &on) && on;
}

void options_exit_if_strict(void) {
    if (strict()) {
        (void)fflush(stderr);
        _exit(2); /* not exit(): a constructor may be running, and destructors would report leaks of a run not begun */
    }
}

static void complain_about_value(const option_row *row, const char *text) {
    if (complaints_first((uint64_t)1 << (row - ROWS))) {
        bool choice = row->type == TYPE_CHOICE;
        (void)fprintf(stderr, "poolbuf: %s=%s is not legal; legal: %s%s; using the default, %s\n",
                      row->public_row.environment, text, row->public_row.legal,
                      choice ? " (any case, or its number)" : "", row->public_row.default_text);
    }
    options_exit_if_strict();
}

static void complain_about_name(const char *name, size_t length) {
    char copy[64];
    const char *near = NULL;
    if (length < sizeof copy) {
        memcpy(copy, name, length);
        copy[length] = '\0';
        unsigned best = 4; /* further off than three letters is no typing error */
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            unsigned distance = edit_distance(copy, ROWS[i].public_row.environment);
            if (distance < best) {
                best = distance;
                near = ROWS[i].public_row.environment;
            }
        }
    }
    (void)fprintf(stderr, "poolbuf: %.*s is not an option of this library%s%s%s; `poolbuf options` lists them\n",
                  (int)length, name, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                  near != NULL ? "?" : "");
}

static bool name_known(const char *name, size_t length) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (name_equal(name, length, ROWS[i].public_row.environment)) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof OTHER_NAMES / sizeof OTHER_NAMES[0]; i++) {
        if (name_equal(name, length, OTHER_NAMES[i])) {
            return true;
        }
    }
    return false;
}

/* Once a process: a misspelt variable would otherwise be a setting that silently does nothing. */
static void check_names_once(void) {
    if (!complaints_first(COMPLAINT_ENVIRONMENT) || !environment_is_ours()) {
        return;
    }
    bool unknown = false;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        size_t length = strcspn(*entry, "=");
        if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) == 0 && !name_known(*entry, length)) {
            complain_about_name(*entry, length);
            unknown = true;
        }
    }
    if (unknown) {
        options_exit_if_strict();
    }
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

/* The row of that name; its type must be one of two, since counts and bytes, and paths and texts, read alike. */
static const option_row *find_row(const char *environment, option_type first, option_type second) {
    check_names_once();
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const option_row *row = &ROWS[i];
        if (strcmp(row->public_row.environment, environment) == 0) {
            return row->type == first || row->type == second ? row : NULL;
        }
    }
    return NULL;
}

/* What the environment says; an empty value counts as unset, as shells make it hard to tell the two apart. */
static const char *row_text(const option_row *row) {
    const char *text = environment_text(row->public_row.environment);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

poolbuf_status poolbuf_option_read_flag(const char *environment, bool *value) {
    *value = false;
    const option_row *row = find_row(environment, TYPE_FLAG, TYPE_FLAG);
    if (row == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    (void)parse_flag(row->public_row.default_text, value);
    const char *text = row_text(row);
    if (text != NULL && !parse_flag(text, value)) {
        complain_about_value(row, text);
        return POOLBUF_ERROR_BAD_OPTION;
    }
    return POOLBUF_OK;
}

poolbuf_status poolbuf_option_read_choice(const char *environment, unsigned *value) {
    *value = 0;
    const option_row *row = find_row(environment, TYPE_CHOICE, TYPE_CHOICE);
    if (row == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    (void)parse_choice(row->public_row.default_text, row->public_row.legal, value);
    const char *text = row_text(row);
    if (text != NULL && !parse_choice(text, row->public_row.legal, value)) {
        complain_about_value(row, text);
        return POOLBUF_ERROR_BAD_OPTION;
    }
    return POOLBUF_OK;
}

poolbuf_status poolbuf_option_read_number(const char *environment, uint64_t *value) {
    *value = 0;
    const option_row *row = find_row(environment, TYPE_COUNT, TYPE_BYTES);
    if (row == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    (void)parse_number(row, row->public_row.default_text, value);
    const char *text = row_text(row);
    if (text != NULL && !parse_number(row, text, value)) {
        complain_about_value(row, text);
        return POOLBUF_ERROR_BAD_OPTION;
    }
    return POOLBUF_OK;
}

poolbuf_status poolbuf_option_read_text(const char *environment, const char **value) {
    *value = NULL;
    const option_row *row = find_row(environment, TYPE_PATH, TYPE_TEXT);
    if (row == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    const char *text = row_text(row);
    if (text == NULL && row->public_row.default_text[0] != '\0') {
        text = row->public_row.default_text;
    }
    *value = text;
    return POOLBUF_OK;
}

/* ---- The allocator's options as a struct -------------------------------------------------------------------------- */

static uint64_t number(option_id id) {
    uint64_t value = 0;
    (void)poolbuf_option_read_number(ROWS[id].public_row.environment, &value);
    return value;
}

static uint64_t default_number(option_id id) {
    uint64_t value = 0;
    (void)parse_number(&ROWS[id], ROWS[id].public_row.default_text, &value);
    return value;
}

static bool flag(option_id id) {
    bool value = false;
    (void)poolbuf_option_read_flag(ROWS[id].public_row.environment, &value);
    return value;
}

static unsigned choice(option_id id) {
    unsigned value = 0;
    (void)poolbuf_option_read_choice(ROWS[id].public_row.environment, &value);
    return value;
}

/* Netty's figure: two a CPU, so that a thread rarely shares its arena. */
static uint32_t arenas(option_id id) {
    uint64_t count = number(id);
    if (count == UINT64_MAX) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        count = cpus > 0 ? 2 * (uint64_t)cpus : 2;
    }
    return (uint32_t)(count < ROWS[id].maximum ? count : ROWS[id].maximum);
}

void poolbuf_allocator_options_init(poolbuf_allocator_options *options) {
    *options = (poolbuf_allocator_options){
        .struct_size = sizeof *options,
        .page_size = number(OPTION_PAGE_SIZE),
        .chunk_size = number(OPTION_CHUNK_SIZE),
        .max_cached_capacity = number(OPTION_MAX_CACHED_CAPACITY),
        .cache_limit_bytes = number(OPTION_CACHE_LIMIT_BYTES),
        .heap_arenas = arenas(OPTION_HEAP_ARENAS),
        .direct_arenas = arenas(OPTION_DIRECT_ARENAS),
        .small_cache_size = (uint32_t)number(OPTION_SMALL_CACHE_SIZE),
        .normal_cache_size = (uint32_t)number(OPTION_NORMAL_CACHE_SIZE),
        .cache_trim_interval = (uint32_t)number(OPTION_CACHE_TRIM_INTERVAL),
        .cache_trim_interval_ms = (uint32_t)number(OPTION_CACHE_TRIM_INTERVAL_MS),
        .classes_per_doubling = (uint32_t)number(OPTION_CLASSES_PER_DOUBLING),
        .decay_ms = (uint32_t)number(OPTION_DECAY_MS),
        .memory_limit_bytes = number(OPTION_MEMORY_LIMIT),
        .alignment = number(OPTION_ALIGNMENT),
        .huge_pages = (poolbuf_huge_pages)choice(OPTION_HUGE_PAGES),
        .numa = (poolbuf_numa)choice(OPTION_NUMA),
        .prefer_direct = flag(OPTION_PREFER_DIRECT),
        .pooling = flag(OPTION_POOLING),
        .background_thread = flag(OPTION_BACKGROUND_THREAD),
    };
}

static bool power_of_two(uint64_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}

void options_load(void) {
    if (choice(OPTION_NUMA) != POOLBUF_NUMA_OFF) {
        (void)os_numa_load();
    }
}

/* What is wrong with a struct of options: the first option that does not fit, and a line about it. */
typedef struct fault {
    option_id id;
    char text[192]; /* without the program's name and the line's end */
} fault;

/* False so that callers can chain. */
static bool refuse(fault *found, option_id id, uint64_t value) {
    found->id = id;
    (void)snprintf(found->text, sizeof found->text, "%s=%llu is not legal; legal: %s", ROWS[id].public_row.environment,
                   (unsigned long long)value, ROWS[id].public_row.legal);
    return false;
}

static bool within(fault *found, option_id id, uint64_t value) {
    return (value >= ROWS[id].minimum && value <= ROWS[id].maximum) || refuse(found, id, value);
}

/* A chunk must hold a huge page to be made of any. */
static bool check_huge_pages(const poolbuf_allocator_options *options, fault *found) {
    if ((unsigned)options->huge_pages > POOLBUF_HUGE_PAGES_AUTO) {
        return refuse(found, OPTION_HUGE_PAGES, (unsigned)options->huge_pages);
    }
    bool direct = options->pooling && options->direct_arenas != 0;
    bool wanted =
        options->huge_pages == POOLBUF_HUGE_PAGES_MADVISE || options->huge_pages == POOLBUF_HUGE_PAGES_EXPLICIT;
    size_t huge = direct && wanted ? os_huge_page_size(options->huge_pages == POOLBUF_HUGE_PAGES_EXPLICIT) : 0;
    if (options->chunk_size < huge) {
        found->id = OPTION_HUGE_PAGES;
        (void)snprintf(found->text, sizeof found->text,
                       "POOLBUF_CHUNK_SIZE=%zu is not legal with POOLBUF_HUGE_PAGES=%s; legal: at least %zu",
                       options->chunk_size, options->huge_pages == POOLBUF_HUGE_PAGES_EXPLICIT ? "explicit" : "madvise",
                       huge);
        return false;
    }
    return true;
}

static bool check_numa(const poolbuf_allocator_options *options, fault *found) {
    if ((unsigned)options->numa > POOLBUF_NUMA_INTERLEAVE) {
        return refuse(found, OPTION_NUMA, (unsigned)options->numa);
    }
    if (options->numa == POOLBUF_NUMA_OFF || !options->pooling || options->direct_arenas == 0) {
        return true;
    }
    const char *missing = os_numa_start((os_numa)options->numa);
    if (missing != NULL) {
        found->id = OPTION_NUMA;
        (void)snprintf(found->text, sizeof found->text, "POOLBUF_NUMA=%s is not possible here: %s",
                       options->numa == POOLBUF_NUMA_LOCAL ? "local" : "interleave", missing);
    }
    return missing == NULL;
}

static bool check_limits(const poolbuf_allocator_options *options, fault *found) {
    return within(found, OPTION_PAGE_SIZE, options->page_size) &&
           within(found, OPTION_CHUNK_SIZE, options->chunk_size) &&
           within(found, OPTION_MAX_CACHED_CAPACITY, options->max_cached_capacity) &&
           within(found, OPTION_CACHE_LIMIT_BYTES, options->cache_limit_bytes) &&
           within(found, OPTION_HEAP_ARENAS, options->heap_arenas) &&
           within(found, OPTION_DIRECT_ARENAS, options->direct_arenas) &&
           within(found, OPTION_SMALL_CACHE_SIZE, options->small_cache_size) &&
           within(found, OPTION_NORMAL_CACHE_SIZE, options->normal_cache_size) &&
           within(found, OPTION_CACHE_TRIM_INTERVAL, options->cache_trim_interval) &&
           within(found, OPTION_MEMORY_LIMIT, options->memory_limit_bytes) &&
           within(found, OPTION_ALIGNMENT, options->alignment);
}

/* Whether everything fits; else what is the first that does not. */
static bool check(const poolbuf_allocator_options *options, fault *found) {
    if (!check_limits(options, found)) {
        return false;
    }
    if (!power_of_two(options->page_size)) {
        return refuse(found, OPTION_PAGE_SIZE, options->page_size);
    }
    if (options->classes_per_doubling != 4 && options->classes_per_doubling != 8) {
        return refuse(found, OPTION_CLASSES_PER_DOUBLING, options->classes_per_doubling);
    }
    size_t pages = options->chunk_size / options->page_size;
    if (!power_of_two(options->chunk_size) || !power_of_two(pages) || pages < 8 || pages > 16384) {
        return refuse(found, OPTION_CHUNK_SIZE, options->chunk_size);
    }
    if (options->classes_per_doubling == 8 && pages < 16) {
        return refuse(found, OPTION_CLASSES_PER_DOUBLING, options->classes_per_doubling);
    }
    if (options->alignment != 0 && (!power_of_two(options->alignment) || options->alignment > options->page_size)) {
        return refuse(found, OPTION_ALIGNMENT, options->alignment);
    }
    /* A pool that cannot map its first chunk would fail every allocation. */
    bool chunks = options->pooling && (options->direct_arenas != 0 || options->heap_arenas != 0);
    if (chunks && options->memory_limit_bytes != 0 && options->memory_limit_bytes < options->chunk_size) {
        return refuse(found, OPTION_MEMORY_LIMIT, options->memory_limit_bytes);
    }
    return check_huge_pages(options, found) && check_numa(options, found);
}

bool options_check(const poolbuf_allocator_options *options) {
    fault found;
    bool good = check(options, &found);
    if (!good) {
        (void)fprintf(stderr, "poolbuf: %s\n", found.text);
    }
    return good;
}

/* Of the options that fit others or the machine, and so may be wrong though the parser took each of them alone. */
static void use_default(poolbuf_allocator_options *options, option_id id) {
    switch (id) {
    case OPTION_PAGE_SIZE:
        options->page_size = default_number(id);
        break;
    case OPTION_CHUNK_SIZE:
        options->chunk_size = default_number(id);
        break;
    case OPTION_CLASSES_PER_DOUBLING:
        options->classes_per_doubling = (uint32_t)default_number(id);
        break;
    case OPTION_ALIGNMENT:
        options->alignment = default_number(id);
        break;
    case OPTION_MEMORY_LIMIT:
        options->memory_limit_bytes = default_number(id);
        break;
    case OPTION_HUGE_PAGES:
        options->huge_pages = POOLBUF_HUGE_PAGES_AUTO;
        break;
    default:
        options->numa = POOLBUF_NUMA_OFF;
        break;
    }
}

/* A default may not fit either, beside what else was asked for: then that is the next fault. The defaults fit each
 * other, so this ends when each option has been seen to. */
void options_mend(poolbuf_allocator_options *options) {
    fault found;
    for (unsigned i = 0; i < OPTION_COUNT && !check(options, &found); i++) {
        (void)fprintf(stderr, "poolbuf: %s; using the default of %s, %s\n", found.text,
                      ROWS[found.id].public_row.environment, ROWS[found.id].public_row.default_text);
        options_exit_if_strict();
        use_default(options, found.id);
    }
}
