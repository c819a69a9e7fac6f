/* A build without the page (POOLBUF_WEB=OFF): the HTML writer finds nothing, and says so. */
#include "reports/web.h"

web_asset web_style(void) {
    return (web_asset){"", 0};
}

web_asset web_script(void) {
    return (web_asset){"", 0};
}
