# The HTML report's page: npm brings ECharts and esbuild into the build folder, esbuild makes one script and one style of
# them and of web/*.js, and the assembler puts both into the program. npm ci is the only step that needs the network, and
# runs again only when package-lock.json changes.
option(POOLBUF_WEB "Bundle and embed the HTML report's page (needs node and npm); OFF leaves the html format out" ON)

if(NOT POOLBUF_WEB)
  target_sources(poolbuf_reports PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../web_absent.c)
  return()
endif()

find_program(POOLBUF_NODE NAMES node nodejs)
find_program(POOLBUF_NPM npm)
if(NOT POOLBUF_NODE OR NOT POOLBUF_NPM)
  message(FATAL_ERROR "the HTML report's page is bundled by node and npm, and one of them was not found; "
                      "apt-get install nodejs npm, or configure with -DPOOLBUF_WEB=OFF for a build without the html format")
endif()

set(web_source ${CMAKE_CURRENT_LIST_DIR})
set(web_build ${CMAKE_CURRENT_BINARY_DIR}/web)
file(GLOB web_parts CONFIGURE_DEPENDS ${web_source}/*.js ${web_source}/*.css ${web_source}/*.mjs)

add_custom_command(OUTPUT ${web_build}/npm.stamp
  COMMAND ${CMAKE_COMMAND} -E copy ${web_source}/package.json ${web_source}/package-lock.json ${web_build}
  COMMAND ${CMAKE_COMMAND} -E chdir ${web_build}
          ${POOLBUF_NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
  COMMAND ${CMAKE_COMMAND} -E touch ${web_build}/npm.stamp
  DEPENDS ${web_source}/package.json ${web_source}/package-lock.json
  COMMENT "Fetching the report page's packages (npm ci)" VERBATIM)
# The sources are copied beside node_modules, where esbuild and node look for packages.
add_custom_command(OUTPUT ${web_build}/page.js ${web_build}/page.css
  COMMAND ${CMAKE_COMMAND} -E copy ${web_parts} ${web_build}/source
  COMMAND ${CMAKE_COMMAND} -E chdir ${web_build} ${POOLBUF_NODE} source/build.mjs source .
  DEPENDS ${web_parts} ${web_build}/npm.stamp
  COMMENT "Bundling the report's page" VERBATIM)

file(MAKE_DIRECTORY ${web_build}/source)
set(web_embedded ${CMAKE_CURRENT_LIST_DIR}/../web_embedded.c)
target_sources(poolbuf_reports PRIVATE ${web_embedded})
set_source_files_properties(${web_embedded} PROPERTIES
  OBJECT_DEPENDS "${web_build}/page.js;${web_build}/page.css"
  COMPILE_DEFINITIONS "REPORTS_WEB_STYLE=\"${web_build}/page.css\";REPORTS_WEB_SCRIPT=\"${web_build}/page.js\"")
