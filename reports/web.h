/* The page's style and script, bundled from web/ at build time and embedded. Empty in a build with POOLBUF_WEB=OFF. */
#ifndef POOLBUF_REPORTS_WEB_H
#define POOLBUF_REPORTS_WEB_H

#include <stddef.h>

typedef struct web_asset {
    const char *bytes;
    size_t size;
} web_asset;

web_asset web_style(void);
web_asset web_script(void);

#endif
