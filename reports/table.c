/* Tables of short texts; table.h says how they look. */
#include "reports/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *or_end(void *memory) {
    if (memory == NULL) {
        fputs("poolbuf: out of memory while printing a table\n", stderr);
        exit(1);
    }
    return memory;
}

void table_init(text_table *table, const table_column *columns, size_t column_count) {
    table->columns = columns;
    table->column_count = column_count;
    table->cells = NULL;
    table->cell_count = table->cell_room = 0;
}

void table_fini(text_table *table) {
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
}

void table_add(text_table *table, table_tone tone, const char *format, ...) {
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room == 0 ? 64 : table->cell_room * 2;
        table->cells = or_end(realloc(table->cells, table->cell_room * sizeof *table->cells));
    }
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    table_cell *cell = &table->cells[table->cell_count++];
    cell->text = or_end(length < 0 ? NULL : text);
    cell->tone = tone;
}

void table_end_row(text_table *table) {
    while (table->cell_count % table->column_count != 0) {
        table_add(table, TONE_PLAIN, "%s", "");
    }
}

size_t text_width(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80 ? 1 : 0;
    }
    return width;
}

size_t text_unsafe_length(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] != '\0' && (at[0] < 0x20 || at[0] == 0x7f)) {
        return 1;
    }
    if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) { /* U+0080 to U+009F; U+009B begins what ESC [ does */
        return 2;
    }
    const bool is_mark = at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f);    /* U+200E, U+200F */
    const bool is_embedding = at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae; /* to U+202E */
    const bool is_isolation = at[0] == 0xe2 && at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9; /* to U+2069 */
    return is_mark || is_embedding || is_isolation ? 3 : 0;
}

void text_print_safe(FILE *to, const char *text) {
    while (*text != '\0') {
        const size_t unsafe = text_unsafe_length(text);
        fputc(unsafe > 0 ? '?' : *text, to);
        text += unsafe > 0 ? unsafe : 1;
    }
}

void markdown_print_safe(FILE *to, const char *text) {
    while (*text != '\0') {
        const size_t unsafe = text_unsafe_length(text);
        if (strchr("\\`*_[]<>|#&~", *text) != NULL) {
            fputc('\\', to);
        }
        fputc(unsafe > 0 ? ' ' : *text, to);
        text += unsafe > 0 ? unsafe : 1;
    }
}

void markdown_print_fenced(FILE *to, const char *text) {
    while (*text != '\0') {
        const size_t unsafe = *text == '`' ? 1 : text_unsafe_length(text);
        fputc(unsafe > 0 ? '\'' : *text, to);
        text += unsafe > 0 ? unsafe : 1;
    }
    fputc('\n', to);
}

void tone_print(FILE *to, bool colour, table_tone tone, const char *text) {
    static const char *const STARTS[TONE_COUNT] = {"", "\033[32m", "\033[31m", "\033[2m", "\033[1m"};
    bool is_marked = colour && tone != TONE_PLAIN && text[0] != '\0';
    fputs(is_marked ? STARTS[tone] : "", to);
    text_print_safe(to, text);
    fputs(is_marked ? "\033[0m" : "", to);
}

/* The column's width, or 0 if no cell has news. */
static size_t column_width(const text_table *table, size_t column) {
    size_t width = 0;
    bool has_news = false;
    for (size_t i = column; i < table->cell_count; i += table->column_count) {
        const char *text = table->cells[i].text;
        size_t length = text_width(text);
        width = length > width ? length : width;
        has_news = has_news || (text[0] != '\0' && strcmp(text, "-") != 0);
    }
    size_t heading = text_width(table->columns[column].heading);
    return !has_news ? 0 : heading > width ? heading : width;
}

static void pad(FILE *to, size_t spaces) {
    fprintf(to, "%*s", (int)spaces, "");
}

/* One line. Spaces are owed until something follows them, so no line ends in one. */
static void print_line(const text_table *table, const size_t *widths, const table_cell *cells, FILE *to, int indent,
                       bool colour) {
    size_t owed = (size_t)indent;
    for (size_t column = 0; column < table->column_count; column++) {
        if (widths[column] == 0) {
            continue;
        }
        const char *text = cells == NULL ? table->columns[column].heading : cells[column].text;
        table_tone tone = cells == NULL ? TONE_FAINT : cells[column].tone;
        size_t space = widths[column] - text_width(text);
        owed += table->columns[column].is_number ? space : 0;
        if (text[0] != '\0') {
            pad(to, owed);
            tone_print(to, colour, tone, text);
            owed = 0;
        }
        owed += (table->columns[column].is_number ? 0 : space) + 2;
    }
    fputc('\n', to);
}

static size_t *column_widths(const text_table *table) {
    size_t *widths = or_end(calloc(table->column_count, sizeof *widths));
    for (size_t column = 0; column < table->column_count; column++) {
        widths[column] = column_width(table, column);
    }
    return widths;
}

void table_print_text(const text_table *table, FILE *to, int indent, bool colour) {
    size_t *widths = column_widths(table);
    print_line(table, widths, NULL, to, indent, colour);
    for (size_t i = 0; i < table->cell_count; i += table->column_count) {
        print_line(table, widths, &table->cells[i], to, indent, colour);
    }
    free(widths);
}

void table_print_markdown(const text_table *table, FILE *to) {
    size_t *widths = column_widths(table);
    for (int part = 0; part < 2; part++) {
        for (size_t column = 0; column < table->column_count; column++) {
            if (widths[column] != 0 && part == 0) {
                fputs("| ", to);
                markdown_print_safe(to, table->columns[column].heading);
                fputc(' ', to);
            } else if (widths[column] != 0) {
                fputs(table->columns[column].is_number ? "|---:" : "|:---", to);
            }
        }
        fputs("|\n", to);
    }
    for (size_t i = 0; i < table->cell_count; i += table->column_count) {
        for (size_t column = 0; column < table->column_count; column++) {
            const table_cell *cell = &table->cells[i + column];
            if (widths[column] != 0) {
                const char *mark = cell->tone == TONE_STRONG && cell->text[0] != '\0' ? "**" : "";
                fprintf(to, "| %s", mark);
                markdown_print_safe(to, cell->text);
                fprintf(to, "%s ", mark);
            }
        }
        fputs("|\n", to);
    }
    free(widths);
}
