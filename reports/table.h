/* Tables of short texts, printed as aligned columns for a terminal or as Markdown.
 *
 * Cells are added from left to right; table_end_row() closes a row and fills it up. Cells are copied. A column whose every
 * cell is empty or a dash is not printed: a column without news is noise. Widths count UTF-8 characters. */
#ifndef POOLBUF_REPORTS_TABLE_H
#define POOLBUF_REPORTS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum table_tone {
    TONE_PLAIN,
    TONE_GOOD,
    TONE_BAD,
    TONE_FAINT,
    TONE_STRONG,
    TONE_COUNT
} table_tone;

typedef struct table_cell {
    char *text;
    table_tone tone;
} table_cell;

typedef struct table_column {
    const char *heading;
    bool is_number; /* aligned to the right */
} table_column;

typedef struct text_table {
    const table_column *columns;
    size_t column_count;
    table_cell *cells; /* rows after each other */
    size_t cell_count, cell_room;
} text_table;

void table_init(text_table *table, const table_column *columns, size_t column_count);
void table_fini(text_table *table);
void table_add(text_table *table, table_tone tone, const char *format, ...) __attribute__((format(printf, 3, 4)));
void table_end_row(text_table *table);
/* indent: spaces before each line. The last column is not padded. */
void table_print_text(const text_table *table, FILE *to, int indent, bool colour);
void table_print_markdown(const text_table *table, FILE *to);

/* Text in a tone: with escape sequences if `colour`, else as it is. */
void tone_print(FILE *to, bool colour, table_tone tone, const char *text);
/* Text from outside (names, messages) on one line of a terminal or of Markdown: control characters become '?', and what
 * Markdown would take for markup is escaped. */
/* How many bytes at the beginning of a text are one sign that would move or turn what stands around it, if a terminal or a page
 * got it: a control character of ASCII or Unicode, or one for the direction of writing. 0: none. */
size_t text_unsafe_length(const char *text);

void text_print_safe(FILE *to, const char *text);
void markdown_print_safe(FILE *to, const char *text);
void markdown_print_fenced(FILE *to, const char *text); /* a line of its own inside a fence, which no backtick ends */
size_t text_width(const char *text);

#endif
