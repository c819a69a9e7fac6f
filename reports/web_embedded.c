/* The bundle as it came from esbuild, put into the program by the assembler: as a C array its half megabyte would cost
 * every compiler seconds. REPORTS_WEB_STYLE and REPORTS_WEB_SCRIPT are the files' paths, from CMake. */
#include "reports/web.h"

#define EMBED(name, path)                                                                                              \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".globl " name "_start\n.hidden " name "_start\n.globl " name "_end\n.hidden " name "_end\n" name          \
            "_start:\n.incbin \"" path "\"\n" name "_end:\n.byte 0\n.popsection\n")

EMBED("reports_web_style", REPORTS_WEB_STYLE);
EMBED("reports_web_script", REPORTS_WEB_SCRIPT);

extern const char reports_web_style_start[], reports_web_style_end[];
extern const char reports_web_script_start[], reports_web_script_end[];

web_asset web_style(void) {
    return (web_asset){reports_web_style_start, (size_t)(reports_web_style_end - reports_web_style_start)};
}

web_asset web_script(void) {
    return (web_asset){reports_web_script_start, (size_t)(reports_web_script_end - reports_web_script_start)};
}
