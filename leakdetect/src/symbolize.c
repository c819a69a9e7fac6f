/* libdw by dlopen, and a cache by address; see symbolize.h.
 *
 * All memory of a symbolizer is its own (mapped arrays and one malloc a text), so a report in a program whose heap is
 * suspect asks little of it. */
#include "symbolize.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug_scopes.h"
#include "helper.h"
#include "memory.h"
#include "module_log.h"
#include "symbol_name.h"
#include "symbolize_modules.h"
#include "unwind_gate.h"

#define LIBDW_FUNCTIONS(X)                                                                                             \
    X(dwfl_begin)                                                                                                      \
    X(dwfl_end)                                                                                                        \
    X(dwfl_linux_proc_report)                                                                                          \
    X(dwfl_report_elf)                                                                                                 \
    X(dwfl_module_build_id)                                                                                            \
    X(dwfl_linux_proc_find_elf)                                                                                        \
    X(dwfl_standard_find_debuginfo)                                                                                    \
    X(dwfl_build_id_find_debuginfo)                                                                                    \
    X(dwfl_report_end)                                                                                                 \
    X(dwfl_addrmodule)                                                                                                 \
    X(dwfl_module_addrname)                                                                                            \
    X(dwfl_module_getelf)                                                                                              \
    X(dwfl_module_getsymtab)                                                                                           \
    X(dwfl_module_getsym_info)                                                                                         \
    X(dwfl_module_nextcu)                                                                                              \
    X(dwarf_getsrc_die)                                                                                                \
    X(dwarf_linesrc)                                                                                                   \
    X(dwarf_lineno)                                                                                                    \
    X(dwfl_module_addrdie)                                                                                             \
    X(dwarf_diename)                                                                                                   \
    X(dwarf_attr)                                                                                                      \
    X(dwarf_attr_integrate)                                                                                            \
    X(dwarf_formstring)                                                                                                \
    X(dwarf_formudata)                                                                                                 \
    X(dwarf_getsrcfiles)                                                                                               \
    X(dwarf_filesrc)

#define DECLARE(name) __extension__ __typeof__(name)(*(name));
typedef struct libdw {
    LIBDW_FUNCTIONS(DECLARE)
    debug_scopes_reader scopes;
} libdw;
#undef DECLARE

enum {
    INLINE_DEPTH_MAX = 32,
    DEBUG_PATH_BYTES = 4096,
    CACHE_SLOTS = 4096 /* a power of two; addresses beyond three quarters of it are looked up each time */
};

typedef struct cached {
    uintptr_t address; /* 0: the slot is free */
    uint32_t count;
    symbol_frame *frames;
} cached;

typedef char *demangler(const char *name, char *buffer, size_t *length, int *status);

struct symbolizer {
    Dwfl *dwfl; /* NULL: no libdw, or it cannot read this process */
    memory_array modules;
    memory_array blocks; /* of void *: what symbolize_close() frees */
    cached *cache;
    size_t cache_used;
    bool sought_demangler;    /* in the program's symbols */
    demangler *own_demangler; /* found there */
};

/* Each with what pthread_once() does for waiting threads and forked children. The last one decides for good. */
static pthread_once_t tries[] = {PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT,
                                 PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT};
static _Atomic size_t next_try; /* the one that is under way, or decided; raised by one that may be repeated */
static libdw dw;
static _Atomic bool dw_loaded; /* released when dw is filled */
/* __cxa_demangle, where the program has a C++ runtime; found again for each report, as that may come late. Relaxed. */
static _Atomic(demangler *) demangle;

/* A pointer to a function and one to an object are different things to ISO C, and the same to POSIX. */
static bool find_function(void *library, const char *name, void *slot) {
    void *symbol = dlsym(library, name);
    memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void load_libdw(void) {
    void *library = helper_open("libdw.so.1");
    libdw found = {0};
    bool loaded = library != NULL;
#define LOAD(name) loaded = loaded && find_function(library, #name, &found.name);
    LIBDW_FUNCTIONS(LOAD)
#undef LOAD
#define LOAD(name) loaded = loaded && find_function(library, #name, &found.scopes.name);
    DEBUG_SCOPES_FUNCTIONS(LOAD)
#undef LOAD
    if (loaded) {
        dw = found;
        atomic_store_explicit(&dw_loaded, true, memory_order_release);
    } else if (helper_say_missing("libdw.so.1", "reports show modules and offsets, no functions and lines", "libdw1")) {
        const size_t this_try = atomic_load_explicit(&next_try, memory_order_relaxed);
        atomic_store_explicit(&next_try, this_try + (this_try + 1 < sizeof tries / sizeof tries[0]),
                              memory_order_relaxed);
    }
}

/* A thread that comes late to a try may find it decided, and leaves the next one to the next report. */
static void try_to_load_libdw(void) {
    if (!atomic_load_explicit(&dw_loaded, memory_order_acquire)) {
        (void)pthread_once(&tries[atomic_load_explicit(&next_try, memory_order_relaxed)], load_libdw);
    }
}

void symbolize_load(void) {
    demangler *found = NULL;
    if (!gate_loader_is_free()) {
        return;
    }
    try_to_load_libdw();
    if (helper_loader_exists()) {
        (void)find_function(RTLD_DEFAULT, "__cxa_demangle", &found);
    }
    atomic_store_explicit(&demangle, found, memory_order_relaxed);
}

/* Whether the file that .gnu_debuglink names, or else FILE.debug, is where libdw's standard search looks for it. */
static bool has_linked_file(const char *file, const char *link) {
    static const char *const PLACES[][2] = {{"", "/"}, {"", "/.debug/"}, {"/usr/lib/debug", "/"}};
    const char *slash = file == NULL ? NULL : strrchr(file, '/');
    if (slash == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        char path[DEBUG_PATH_BYTES];
        const int length = snprintf(path, sizeof path, "%s%.*s%s%s%s", PLACES[i][0], (int)(slash - file), file,
                                    PLACES[i][1], link == NULL ? slash + 1 : link, link == NULL ? ".debug" : "");
        if (length > 0 && (size_t)length < sizeof path && access(path, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* Separate debug information is looked for on this machine alone: by build-id, and where there is a file with the right name,
 * by libdw's standard search, which checks it. Where that finds nothing, it would load libdebuginfod, and with it curl and a
 * TLS library, into a program that is about to end, and ask servers if DEBUGINFOD_URLS names some. */
static int find_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
                          const char *link, GElf_Word crc, char **found) {
    const char *urls = getenv("DEBUGINFOD_URLS");
    const bool is_local = urls == NULL || urls[0] == '\0';
    if (is_local && has_linked_file(file, link)) {
        return dw.dwfl_standard_find_debuginfo(module, user, name, base, file, link, crc, found);
    }
    return dw.dwfl_build_id_find_debuginfo(module, user, name, base, file, link, crc, found);
}

static uintptr_t program_start; /* its first page, while a symbolizer is open; 0: not known */

/* Whether /proc/self/exe is what /proc/self/maps calls so, which has line breaks as \012. It is the loader where that was called
 * by hand, to run the program. */
static bool is_executable(const char *name) {
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    for (ssize_t i = 0; i < length; i++) {
        const bool breaks = path[i] == '\n' && strncmp(name, "\\012", 4) == 0;
        if (!breaks && *name != path[i]) {
            return false;
        }
        name += breaks ? 4 : 1;
    }
    return length > 0 && *name == '\0';
}

/* A program whose file has another name by now, or none, is still there as /proc/self/exe. */
static int find_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file, Elf **elf) {
    char path[PATH_MAX];
    int descriptor = dw.dwfl_linux_proc_find_elf(module, user, name, base, file, elf);
    if (descriptor < 0 && *elf == NULL && base == program_start && base != 0 && is_executable(name) &&
        module_program_path(path, sizeof path)) {
        *file = strdup(path); /* debug files are looked for beside it */
        descriptor = *file == NULL ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    }
    return descriptor;
}

/* libdw keeps a pointer to the callbacks for as long as the Dwfl lives. */
static const Dwfl_Callbacks CALLBACKS = {.find_elf = find_elf, .find_debuginfo = find_debuginfo};

static bool is_overlaid(const symbolizer *self, const loaded_module *module) {
    const loaded_module *loaded = self->modules.items;
    for (size_t i = 0; i < self->modules.count; i++) {
        if (module->start < loaded[i].end && loaded[i].start < module->end) {
            return true;
        }
    }
    return false;
}

/* Whether the file is still the one that was loaded. Without a build-id nobody can know. */
static bool is_same_build(Dwfl_Module *file, const loaded_module *module) {
    const unsigned char *bits = NULL;
    GElf_Addr address = 0;
    char text[sizeof module->build_id] = "";
    int length = file == NULL ? 0 : dw.dwfl_module_build_id(file, &bits, &address);
    for (size_t i = 0; length > 0 && i < (size_t)length && i < BUILD_ID_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bits[i]);
    }
    return text[0] != '\0' && strcmp(text, module->build_id) == 0;
}

/* Adds modules that are no longer loaded, the newest at each place, so that their addresses have names. */
static void add_closed_modules(symbolizer *self) {
    for (uint32_t i = module_log_count(); i-- > 0;) {
        const loaded_module *logged = module_log_at(i);
        if (is_overlaid(self, logged)) {
            continue;
        }
        loaded_module *closed = memory_array_next(&self->modules, sizeof *closed);
        if (closed == NULL) {
            return;
        }
        *closed = *logged;
        const char *slash = strrchr(closed->path, '/');
        Dwfl_Module *file = self->dwfl == NULL
                                ? NULL
                                : dw.dwfl_report_elf(self->dwfl, slash == NULL ? closed->path : slash + 1, closed->path,
                                                     -1, closed->bias, true);
        closed->nameless = !is_same_build(file, closed);
    }
}

symbolizer *symbolize_open(void) {
    symbolizer *self = memory_map(sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->cache = memory_map(CACHE_SLOTS * sizeof *self->cache);
    if (gate_loader_is_free()) { /* else there are names where libdw was loaded before the fork */
        modules_load(&self->modules);
    }
    if (atomic_load_explicit(&dw_loaded, memory_order_acquire)) {
        const loaded_module *program = self->modules.items; /* the loader names it first */
        program_start = self->modules.count == 0 ? 0 : program->start & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
        self->dwfl = dw.dwfl_begin(&CALLBACKS);
        if (self->dwfl != NULL && dw.dwfl_linux_proc_report(self->dwfl, getpid()) != 0) {
            dw.dwfl_end(self->dwfl);
            self->dwfl = NULL;
        }
    }
    add_closed_modules(self);
    if (self->dwfl != NULL && dw.dwfl_report_end(self->dwfl, NULL, NULL) != 0) {
        dw.dwfl_end(self->dwfl);
        self->dwfl = NULL;
    }
    return self;
}

void symbolize_close(symbolizer *self) {
    if (self == NULL) {
        return;
    }
    if (self->dwfl != NULL) {
        dw.dwfl_end(self->dwfl);
    }
    for (size_t i = 0; i < self->blocks.count; i++) {
        free(((void **)self->blocks.items)[i]);
    }
    memory_array_fini(&self->blocks);
    memory_array_fini(&self->modules);
    memory_unmap(self->cache, CACHE_SLOTS * sizeof *self->cache);
    memory_unmap(self, sizeof *self);
}

/* Hands a malloc'ed block over to the symbolizer. Returns it, or NULL, freed, where it cannot be kept. */
static void *keep(symbolizer *self, void *block) {
    void **slot = block == NULL ? NULL : memory_array_next(&self->blocks, sizeof *slot);
    if (slot == NULL) {
        free(block);
        return NULL;
    }
    *slot = block;
    return block;
}

static const char *keep_text(symbolizer *self, const char *text) {
    return text == NULL ? NULL : keep(self, strdup(text));
}

/* --- names and lines --------------------------------------------------------------------------------------------- */

/* A program with a C++ runtime of its own (-static-libstdc++) keeps __cxa_demangle to itself, so the loader does not know it; its
 * symbol table does. Not called by an address from another file than the one that is loaded. */
static demangler *find_demangler(symbolizer *self) {
    const loaded_module *program = self->modules.items;
    Dwfl_Module *module =
        self->dwfl == NULL || program_start == 0 ? NULL : dw.dwfl_addrmodule(self->dwfl, program_start);
    GElf_Addr bias = 0;
    if (module == NULL || dw.dwfl_module_getelf(module, &bias) == NULL || bias != program->bias ||
        !is_same_build(module, program)) {
        return NULL;
    }
    const int count = dw.dwfl_module_getsymtab(module);
    for (int i = 1; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr address = 0;
        const char *name = dw.dwfl_module_getsym_info(module, i, &symbol, &address, NULL, NULL, NULL);
        if (name != NULL && strcmp(name, "__cxa_demangle") == 0 && symbol.st_shndx != SHN_UNDEF &&
            GELF_ST_TYPE(symbol.st_info) == STT_FUNC) {
            demangler *found = NULL;
            memcpy(&found, &address, sizeof found);
            return found;
        }
    }
    return NULL;
}

static demangler *need_demangler(symbolizer *self) {
    demangler *known = atomic_load_explicit(&demangle, memory_order_relaxed);
    if (known == NULL && !self->sought_demangler) {
        self->sought_demangler = true;
        self->own_demangler = find_demangler(self);
    }
    return known != NULL ? known : self->own_demangler;
}

/* Names a frame's function, readably where it can; Valgrind's suppressions name it as it was. */
static void set_name(symbolizer *self, symbol_frame *frame, const char *name) {
    frame->function = keep_text(self, name);
    demangler *make_readable = name != NULL && name[0] == '_' && name[1] == 'Z' ? need_demangler(self) : NULL;
    if (make_readable != NULL) {
        int status = -1;
        char *plain = keep(self, make_readable(name, NULL, NULL, &status));
        if (status == 0 && plain != NULL) {
            frame->symbol = frame->function;
            frame->function = plain;
        }
    }
}

/* The same from a symbol table, whose own name for it Valgrind has. */
static void set_symbol(symbolizer *self, symbol_frame *frame, const char *symbol) {
    if (symbol == NULL) {
        return;
    }
    const size_t length = symbol_name_length(symbol);
    set_name(self, frame, keep(self, strndup(symbol, length)));
    if (symbol[length] != '\0') {
        frame->symbol = keep_text(self, symbol);
    }
}

/* A C++ function's own name says too little; its linkage name, where there is one, has namespace and types. */
static const char *function_name(Dwarf_Die *die) {
    Dwarf_Attribute memory;
    Dwarf_Attribute *linkage = dw.dwarf_attr_integrate(die, DW_AT_linkage_name, &memory);
    const char *name = linkage == NULL ? NULL : dw.dwarf_formstring(linkage);
    return name != NULL ? name : dw.dwarf_diename(die);
}

static void set_call_site(symbolizer *self, symbol_frame *frame, Dwarf_Die *unit, Dwarf_Die *inlined) {
    Dwarf_Attribute memory;
    Dwarf_Word number;
    Dwarf_Files *files;
    size_t file_count;
    frame->file = NULL;
    frame->line = 0;
    if (dw.dwarf_formudata(dw.dwarf_attr(inlined, DW_AT_call_line, &memory), &number) == 0) {
        frame->line = (unsigned)number;
    }
    if (dw.dwarf_formudata(dw.dwarf_attr(inlined, DW_AT_call_file, &memory), &number) == 0 &&
        dw.dwarf_getsrcfiles(unit, &files, &file_count) == 0 && number < file_count) {
        frame->file = keep_text(self, dw.dwarf_filesrc(files, number, NULL, NULL));
    }
}

/* Every inlined subroutine around an address is a frame of its own; where it was called from is the location of the next one.
 * Returns the number of frames, at least 1. */
static size_t expand_inlined(symbolizer *self, Dwarf_Die *unit, Dwarf_Addr address, symbol_frame *frames) {
    Dwarf_Die scopes[INLINE_DEPTH_MAX];
    Dwarf_Die body = debug_scopes_body(&dw.scopes, unit);
    const size_t scope_count = debug_scopes_find(&dw.scopes, &body, address, scopes, INLINE_DEPTH_MAX);
    size_t count = 1;
    for (size_t i = 0; i < scope_count; i++) {
        const char *name = function_name(&scopes[i]);
        if (name != NULL) {
            set_name(self, &frames[count - 1], name);
        }
        if (i + 1 < scope_count) {
            frames[count] = frames[0];
            frames[count].function = NULL;
            frames[count].symbol = NULL;
            frames[count].inlined = false;
            frames[count - 1].inlined = true;
            set_call_site(self, &frames[count], &body, &scopes[i]);
            count++;
        }
    }
    return count;
}

/* The compilation unit of an address. gcc writes a table for that, .debug_aranges, which libdw uses; clang writes none,
 * and then every unit is asked in turn. */
static Dwarf_Die *find_unit(Dwfl_Module *module, Dwarf_Addr address, Dwarf_Addr *bias) {
    Dwarf_Die *unit = dw.dwfl_module_addrdie(module, address, bias);
    if (unit == NULL) {
        do {
            unit = dw.dwfl_module_nextcu(module, unit, bias);
        } while (unit != NULL && dw.scopes.dwarf_haspc(unit, address - *bias) <= 0);
    }
    return unit;
}

/* An address as libdw has it. Two copies of one file that lie side by side, as dlmopen() makes them, are one module to libdw, at
 * the place of the first. */
static Dwarf_Addr to_libdw(Dwfl_Module *module, const loaded_module *mapped, uintptr_t address) {
    GElf_Addr bias = 0;
    const bool known = mapped != NULL && dw.dwfl_module_getelf(module, &bias) != NULL;
    return known ? address - mapped->bias + bias : address;
}

static size_t look_up(symbolizer *self, uintptr_t address, symbol_frame *frames) {
    frames[0] = (symbol_frame){.address = address, .offset = address};
    uintptr_t call = address - 1; /* the return address may belong to the next line, or even the next function */
    const loaded_module *mapped = modules_find(&self->modules, call);
    if (mapped != NULL) {
        frames[0].module = mapped->path;
        frames[0].offset = address - mapped->bias;
        frames[0].build_id = mapped->build_id[0] == '\0' ? NULL : mapped->build_id;
    }
    if (mapped != NULL && mapped->nameless) {
        return 1;
    }
    Dwfl_Module *module = self->dwfl == NULL ? NULL : dw.dwfl_addrmodule(self->dwfl, call);
    if (module == NULL) {
        Dl_info info;
        if (mapped != NULL && dladdr((void *)call, &info) != 0) {
            set_symbol(self, &frames[0], info.dli_sname);
        }
        return 1;
    }
    size_t count = 1;
    Dwarf_Addr bias;
    const Dwarf_Addr place = to_libdw(module, mapped, call);
    Dwarf_Die *unit = find_unit(module, place, &bias);
    if (unit != NULL) {
        int line = 0;
        Dwarf_Line *source = dw.dwarf_getsrc_die(unit, place - bias);
        frames[0].file = keep_text(self, dw.dwarf_linesrc(source, NULL, NULL));
        frames[0].line = dw.dwarf_lineno(source, &line) == 0 && line > 0 ? (unsigned)line : 0;
        count = expand_inlined(self, unit, place - bias, frames);
    }
    if (frames[count - 1].function == NULL) {
        set_symbol(self, &frames[count - 1], dw.dwfl_module_addrname(module, place));
    }
    return count;
}

size_t symbolize_address(symbolizer *self, uintptr_t address, const symbol_frame **frames) {
    size_t slot = (address * 0x9e3779b97f4a7c15u >> 40) % CACHE_SLOTS;
    while (self->cache != NULL && self->cache[slot].address != 0) {
        if (self->cache[slot].address == address) {
            *frames = self->cache[slot].frames;
            return self->cache[slot].count;
        }
        slot = (slot + 1) % CACHE_SLOTS;
    }
    symbol_frame found[INLINE_DEPTH_MAX];
    size_t count = look_up(self, address, found);
    symbol_frame *kept = keep(self, malloc(count * sizeof *kept));
    if (kept == NULL) {
        static const symbol_frame nothing;
        *frames = &nothing;
        return 1;
    }
    memcpy(kept, found, count * sizeof *kept);
    if (self->cache != NULL && self->cache_used < CACHE_SLOTS - CACHE_SLOTS / 4) {
        self->cache[slot] = (cached){address, (uint32_t)count, kept};
        self->cache_used++;
    }
    *frames = kept;
    return count;
}
