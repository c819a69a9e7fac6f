/* libelf and libdw over files; see symbols.h.
 *
 * A frame has its module's build-id and the offset from the module's load address, which is an address as the file has
 * them. A program and its separate debug file share build-id and addresses, so either will do for either: functions and
 * lines come from whichever has .debug_info, else names from whichever has a symbol table, .symtab rather than .dynsym. */
#include "symbols.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leakdetect/src/debug_scopes.h"
#include "leakdetect/src/symbol_name.h"
#include "reports/leaks_stacks.h"

enum {
    FILES_MOST = 500000, /* looked at; a whole system has fewer with code in them */
    MODULES_MOST = 1024, /* build-ids that a report may want */
    BUILD_ID_BYTES = 64, /* GNU's are 20 */
    INLINE_DEPTH_MAX = 32,
    PLACE_SLOTS = 65536 /* a power of two; addresses beyond three quarters of it are looked up each time */
};

/* One ELF file that is open, with what it has. */
typedef struct image {
    int descriptor; /* -1: none */
    Elf *elf;
    Dwarf *dwarf; /* NULL: it has no debug information */
    Elf_Scn *symbols;
    bool is_dynamic; /* the symbols are those of .dynsym */
} image;

typedef struct module {
    const char *build_id; /* the model's */
    const char *name;
    image debug, code; /* the file to ask for lines, and the one to ask for symbols; may be the same file twice */
    bool found;
} module;

static const debug_scopes_reader LIBDW = {
#define TAKE(name) .name = (name),
    DEBUG_SCOPES_FUNCTIONS(TAKE)
#undef TAKE
};

typedef char *demangler(const char *name, char *buffer, size_t *length, int *status);

/* What an address in a file was found to be. */
typedef struct place {
    const module *module; /* NULL: the slot is free */
    uint64_t offset;
    size_t count;
    leaks_frame **frames; /* of the model */
} place;

typedef struct resolver {
    module *modules;
    place *places; /* by address: stacks share most of theirs, and a look takes milliseconds in a large unit */
    size_t place_count;
    size_t module_count, file_count, named;
    demangler *demangle; /* NULL: names stay as the compiler writes them */
} resolver;

static bool lacks_names(const leaks_frame *frame) {
    return frame->build_id != NULL && frame->build_id[0] != '\0' && frame->offset != MODEL_UNKNOWN &&
           frame->offset > 0 && (frame->function == NULL || frame->file == NULL) && !frame->inlined;
}

/* ---- files ---- */

static void image_close(image *self) {
    if (self->dwarf != NULL) {
        (void)dwarf_end(self->dwarf);
    }
    if (self->elf != NULL) {
        (void)elf_end(self->elf);
    }
    if (self->descriptor >= 0) {
        (void)close(self->descriptor);
    }
    *self = (image){.descriptor = -1};
}

static void find_symbols(image *self) {
    for (Elf_Scn *section = elf_nextscn(self->elf, NULL); section != NULL; section = elf_nextscn(self->elf, section)) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL || header.sh_entsize == 0 ||
            (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)) {
            continue;
        }
        if (self->symbols == NULL || self->is_dynamic) {
            self->symbols = section;
            self->is_dynamic = header.sh_type == SHT_DYNSYM;
        }
    }
}

/* Opens a file if it is ELF, of a kind that is loaded. */
static bool image_open(image *self, const char *path) {
    GElf_Ehdr header;
    char magic[SELFMAG];
    *self = (image){.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (self->descriptor < 0 || pread(self->descriptor, magic, sizeof magic, 0) != (ssize_t)sizeof magic ||
        memcmp(magic, ELFMAG, SELFMAG) != 0) {
        image_close(self);
        return false;
    }
    self->elf = elf_begin(self->descriptor, ELF_C_READ_MMAP, NULL);
    if (self->elf == NULL || gelf_getehdr(self->elf, &header) == NULL ||
        (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
        image_close(self);
        return false;
    }
    return true;
}

static bool read_build_id(const image *self, char *text) {
    const void *bytes = NULL;
    const ssize_t length = dwelf_elf_gnu_build_id(self->elf, &bytes);
    if (length <= 0 || length > BUILD_ID_BYTES) {
        return false;
    }
    for (ssize_t i = 0; i < length; i++) {
        snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
    }
    return true;
}

static module *find_module(const resolver *self, const char *build_id) {
    for (size_t i = 0; i < self->module_count; i++) {
        if (strcmp(self->modules[i].build_id, build_id) == 0) {
            return &self->modules[i];
        }
    }
    return NULL;
}

static bool has_section(Elf *elf, const char *name) {
    size_t names = 0;
    for (Elf_Scn *at = elf_getshdrstrndx(elf, &names) == 0 ? elf_nextscn(elf, NULL) : NULL; at != NULL;
         at = elf_nextscn(elf, at)) {
        GElf_Shdr header;
        const char *found = gelf_getshdr(at, &header) == NULL ? NULL : elf_strptr(elf, names, header.sh_name);
        if (found != NULL && header.sh_type != SHT_NOBITS && strcmp(found, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes the file for lines if it is the first that has them, for symbols if it has better ones than the last. */
static void take_file(resolver *self, const char *path) {
    char build_id[2 * BUILD_ID_BYTES + 1];
    image found;
    if (!image_open(&found, path)) {
        return;
    }
    module *wanted = read_build_id(&found, build_id) ? find_module(self, build_id) : NULL;
    if (wanted == NULL) {
        image_close(&found);
        return;
    }
    wanted->found = true;
    find_symbols(&found);
    /* .zdebug_info: compressed as GNU's tools did before ELF had a flag for that; libdw reads it. */
    if (wanted->debug.dwarf == NULL &&
        (has_section(found.elf, ".debug_info") || has_section(found.elf, ".zdebug_info"))) {
        image debug;
        if (image_open(&debug, path)) {
            debug.dwarf = dwarf_begin_elf(debug.elf, DWARF_C_READ, NULL);
            if (debug.dwarf != NULL) {
                image_close(&wanted->debug);
                wanted->debug = debug;
            } else {
                image_close(&debug);
            }
        }
    }
    if (found.symbols != NULL && (wanted->code.symbols == NULL || (wanted->code.is_dynamic && !found.is_dynamic))) {
        image_close(&wanted->code);
        wanted->code = found;
    } else {
        image_close(&found);
    }
}

static bool complain(char *error, size_t size, const char *path, int reason) {
    snprintf(error, size, "%s: %s; --binaries needs a file or a folder that can be read", path, strerror(reason));
    return false;
}

/* Symbolic links to files are followed, as .build-id folders are made of them; links to folders are not: they may lead
 * round in circles. */
static bool take_place(resolver *self, char *path, char *error, size_t size) {
    char *const roots[] = {path, NULL};
    struct stat facts;
    if (stat(path, &facts) != 0 || access(path, R_OK) != 0) {
        return complain(error, size, path, errno);
    }
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (walk == NULL) {
        return complain(error, size, path, errno);
    }
    for (FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
        const bool is_link =
            entry->fts_info == FTS_SL && stat(entry->fts_accpath, &facts) == 0 && S_ISREG(facts.st_mode);
        if (entry->fts_info != FTS_F && !is_link) {
            continue;
        }
        if (self->file_count++ == FILES_MOST) {
            snprintf(error, size, "%s: holds more than %d files; give --binaries a smaller folder", path, FILES_MOST);
            (void)fts_close(walk);
            return false;
        }
        take_file(self, entry->fts_accpath);
    }
    (void)fts_close(walk);
    return true;
}

/* ---- names ---- */

static const char *readable(const resolver *self, leaks_model *model, const char *name) {
    int status = -1;
    char *plain = name != NULL && name[0] == '_' && name[1] == 'Z' && self->demangle != NULL
                      ? self->demangle(name, NULL, NULL, &status)
                      : NULL;
    const char *kept = model_text(model->arena, plain != NULL && status == 0 ? plain : name);
    free(plain);
    return kept;
}

static const char *function_name(Dwarf_Die *die) {
    Dwarf_Attribute memory;
    Dwarf_Attribute *linkage = dwarf_attr_integrate(die, DW_AT_linkage_name, &memory);
    const char *name = linkage == NULL ? NULL : dwarf_formstring(linkage);
    return name != NULL ? name : dwarf_diename(die);
}

/* The unit of an address. Where there is no .debug_aranges, as with clang, every unit is asked. */
static bool find_unit(Dwarf *dwarf, Dwarf_Addr address, Dwarf_Die *unit) {
    if (dwarf_addrdie(dwarf, address, unit) != NULL) {
        return true;
    }
    Dwarf_CU *at = NULL;
    while (dwarf_get_units(dwarf, at, &at, NULL, NULL, unit, NULL) == 0) {
        if (dwarf_haspc(unit, address) > 0) {
            return true;
        }
    }
    return false;
}

static void set_call_site(leaks_model *model, leaks_frame *frame, Dwarf_Die *unit, Dwarf_Die *inlined) {
    Dwarf_Attribute memory;
    Dwarf_Word number;
    Dwarf_Files *files;
    size_t file_count;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &memory), &number) == 0) {
        frame->line = number;
    }
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &memory), &number) == 0 &&
        dwarf_getsrcfiles(unit, &files, &file_count) == 0 && number < file_count) {
        frame->file = model_text(model->arena, dwarf_filesrc(files, number, NULL, NULL));
    }
}

static leaks_frame *next_frame(leaks_model *model, const leaks_frame *like) {
    leaks_frame *frame = leaks_frame_create(model);
    frame->address = like->address;
    frame->module = like->module;
    frame->build_id = like->build_id;
    frame->offset = like->offset;
    return frame;
}

/* Outwards through the functions around an address: each that was inlined is a frame, called from where the next one stands.
 * Fills `frames`, of which the first is there; returns their number. */
static size_t expand_inlined(const resolver *self, leaks_model *model, Dwarf_Die *unit, Dwarf_Addr address,
                             leaks_frame **frames) {
    Dwarf_Die scopes[INLINE_DEPTH_MAX];
    Dwarf_Die body = debug_scopes_body(&LIBDW, unit);
    const size_t scope_count = debug_scopes_find(&LIBDW, &body, address, scopes, INLINE_DEPTH_MAX);
    size_t count = 1;
    for (size_t i = 0; i < scope_count; i++) {
        const char *name = function_name(&scopes[i]);
        frames[count - 1]->function = name != NULL ? readable(self, model, name) : frames[count - 1]->function;
        if (i + 1 < scope_count) {
            frames[count - 1]->inlined = true;
            frames[count] = next_frame(model, frames[0]);
            set_call_site(model, frames[count], &body, &scopes[i]);
            count++;
        }
    }
    return count;
}

static const char *symbol_at(const image *code, GElf_Addr address) {
    GElf_Shdr header;
    Elf_Data *data = code->symbols == NULL ? NULL : elf_getdata(code->symbols, NULL);
    if (data == NULL || gelf_getshdr(code->symbols, &header) == NULL || header.sh_entsize == 0) {
        return NULL;
    }
    for (size_t i = 0; i < header.sh_size / header.sh_entsize && i < INT32_MAX; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) != NULL && GELF_ST_TYPE(symbol.st_info) == STT_FUNC &&
            symbol.st_shndx != SHN_UNDEF && address >= symbol.st_value && address - symbol.st_value < symbol.st_size) {
            return elf_strptr(code->elf, header.sh_link, symbol.st_name);
        }
    }
    return NULL;
}

/* The frames of one address, innermost first. Returns 0 where nothing more is known than before. */
static size_t look_up(const resolver *self, leaks_model *model, const module *wanted, const leaks_frame *frame,
                      leaks_frame **frames) {
    const Dwarf_Addr call = frame->offset - 1; /* the return address may belong to the next line, or function */
    size_t count = 1;
    Dwarf_Die unit;
    frames[0] = next_frame(model, frame);
    if (wanted->debug.dwarf != NULL && find_unit(wanted->debug.dwarf, call, &unit)) {
        int line = 0;
        Dwarf_Line *source = dwarf_getsrc_die(&unit, call);
        const char *file = source == NULL ? NULL : dwarf_linesrc(source, NULL, NULL);
        frames[0]->file = model_text(model->arena, file);
        frames[0]->line =
            source != NULL && dwarf_lineno(source, &line) == 0 && line > 0 ? (uint64_t)line : MODEL_UNKNOWN;
        count = expand_inlined(self, model, &unit, call, frames);
    }
    leaks_frame *outer = frames[count - 1];
    if (outer->function == NULL) {
        const char *name = symbol_at(&wanted->code, call);
        outer->function =
            name == NULL
                ? frame->function
                : readable(self, model, model_text_format(model->arena, "%.*s", (int)symbol_name_length(name), name));
    }
    return outer->function != NULL || frames[0]->file != NULL ? count : 0;
}

static place *find_place(const resolver *self, const module *wanted, uint64_t offset) {
    size_t slot = (offset * 0x9e3779b97f4a7c15u >> 32) % PLACE_SLOTS;
    while (self->places[slot].module != NULL &&
           (self->places[slot].module != wanted || self->places[slot].offset != offset)) {
        slot = (slot + 1) % PLACE_SLOTS;
    }
    return &self->places[slot];
}

/* The same, as it was found before. */
static size_t recall(leaks_model *model, const place *known, const leaks_frame *frame, leaks_frame **frames) {
    for (size_t i = 0; i < known->count; i++) {
        frames[i] = next_frame(model, frame);
        frames[i]->function = known->frames[i]->function;
        frames[i]->file = known->frames[i]->file;
        frames[i]->line = known->frames[i]->line;
        frames[i]->inlined = known->frames[i]->inlined;
    }
    return known->count;
}

static size_t find_names(resolver *self, leaks_model *model, const leaks_frame *frame, leaks_frame **frames) {
    const module *wanted = find_module(self, frame->build_id);
    if (wanted == NULL || !wanted->found) {
        return 0;
    }
    place *known = find_place(self, wanted, frame->offset);
    if (known->module != NULL) {
        return recall(model, known, frame, frames);
    }
    const size_t count = look_up(self, model, wanted, frame, frames);
    if (self->place_count < PLACE_SLOTS - PLACE_SLOTS / 4) {
        *known =
            (place){wanted, frame->offset, count, model_allocate(model->arena, (count + 1) * sizeof(leaks_frame *))};
        memcpy(known->frames, frames, count * sizeof(leaks_frame *));
        self->place_count++;
    }
    return count;
}

static void name_stack(leaks_model *model, leaks_frame ***stack, size_t *count, void *context) {
    resolver *self = context;
    leaks_frame **named = NULL;
    size_t named_count = 0;
    bool changed = false;
    for (size_t i = 0; i < *count; i++) {
        leaks_frame *frames[INLINE_DEPTH_MAX];
        leaks_frame *frame = (*stack)[i];
        /* Of one address there may be several frames already; the outermost lacks no name then. */
        const size_t found = lacks_names(frame) ? find_names(self, model, frame, frames) : 0;
        for (size_t j = 0; j < found; j++) {
            model_append(model->arena, (void *)&named, &named_count, frames[j]);
        }
        if (found == 0) {
            model_append(model->arena, (void *)&named, &named_count, frame);
        }
        changed = changed || found > 0;
        self->named += found > 0;
    }
    if (changed) {
        leaks_stack_trim(named, &named_count);
        *stack = named;
        *count = named_count;
    }
}

/* ---- the whole ---- */

/* NOLINTNEXTLINE(readability-non-const-parameter): a visitor's form */
static void want_modules(leaks_model *model, leaks_frame ***stack, size_t *count, void *context) {
    resolver *self = context;
    (void)model;
    for (size_t i = 0; i < *count && self->module_count < MODULES_MOST; i++) {
        const leaks_frame *frame = (*stack)[i];
        if (lacks_names(frame) && find_module(self, frame->build_id) == NULL) {
            self->modules[self->module_count++] = (module){.build_id = frame->build_id,
                                                           .name = frame->module == NULL ? "?" : frame->module,
                                                           .debug = {.descriptor = -1},
                                                           .code = {.descriptor = -1}};
        }
    }
}

static void fill_outcome(const resolver *self, symbols_outcome *outcome) {
    *outcome = (symbols_outcome){.named = self->named, .wanted = self->module_count};
    size_t used = 0;
    for (size_t i = 0; i < self->module_count; i++) {
        const module *one = &self->modules[i];
        outcome->found += one->found;
        if (!one->found && used + 1 < sizeof outcome->missing) {
            const int n = snprintf(outcome->missing + used, sizeof outcome->missing - used, "%s%s (build-id %.12s)",
                                   used == 0 ? "" : ", ", one->name, one->build_id);
            used += n > 0 ? (size_t)n : 0;
        }
    }
}

static bool resolve(resolver *self, leaks_model **model, const text_list *places, char *error, size_t size) {
    leaks_stacks_visit(*model, want_modules, self);
    for (size_t i = 0; i < places->count; i++) {
        if (!take_place(self, places->items[i], error, size)) {
            return false;
        }
    }
    leaks_stacks_visit(*model, name_stack, self);
    return true;
}

bool symbols_resolve(leaks_model **model, const text_list *places, symbols_outcome *outcome, char *error, size_t size) {
    resolver self = {.modules = calloc(MODULES_MOST, sizeof(module)), .places = calloc(PLACE_SLOTS, sizeof(place))};
    void *symbol = dlsym(RTLD_DEFAULT, "__cxa_demangle"); /* the program has parts in C++ */
    memcpy(&self.demangle, &symbol, sizeof symbol);
    if (self.modules == NULL || self.places == NULL || elf_version(EV_CURRENT) == EV_NONE) {
        free(self.modules);
        free(self.places);
        snprintf(error, size, "no memory for the modules of a report");
        return false;
    }
    const bool fine = resolve(&self, model, places, error, size);
    fill_outcome(&self, outcome); /* its names are the model's */
    if (fine && self.named > 0) {
        *model = leaks_model_refold(*model);
    }
    for (size_t i = 0; i < self.module_count; i++) {
        image_close(&self.modules[i].debug);
        image_close(&self.modules[i].code);
    }
    free(self.modules);
    free(self.places);
    return fine;
}
