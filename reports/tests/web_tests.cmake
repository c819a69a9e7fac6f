# Tests that need node: JSON against its schemas (ajv), and the pages in a browser (playwright-core drives Debian's
# chromium). What is missing makes them fail, not skip; -DPOOLBUF_BROWSER_TEST=OFF leaves them out on purpose.
option(POOLBUF_BROWSER_TEST "Test the HTML report's pages in Chromium" ON)

if(NOT POOLBUF_WEB)
  return() # without node nothing here can run, and there is no page
endif()

set(tests ${CMAKE_CURRENT_LIST_DIR})
add_test(NAME reports.results_schema
         COMMAND ${POOLBUF_NODE} ${tests}/schema.test.mjs ${tests}/../results.schema.json ${tests}/golden/results.json
                 ${web_build} peak_usable_bytes partial spoilers outlier rounds_needed rounds_played confidence ranks
                 switches_voluntary switches_involuntary line_round_trip_ns had_threads
                 instructions latency latency_at_rate memory)
set(optional_keys tool processes kind command untracked inherited not_listed suppressed suppressions sampling_bytes
    seen_with_99_percent missed_references older_than_ms since lost unit sizes growth lifted_by baseline descriptions
    holders misuses misuses_not_listed unseen_buffers unseen_standing)
set(leaks_schema ${PROJECT_SOURCE_DIR}/leakdetect/leaks.schema.json)
add_test(NAME reports.leaks_schema
         COMMAND ${POOLBUF_NODE} ${tests}/schema.test.mjs ${leaks_schema} ${tests}/golden/leaks.json ${web_build}
                 ${optional_keys})
# What the detector writes itself.
foreach(name holders growth older suppressed misuses simple disabled_simple)
  add_test(NAME reports.leaks_schema_${name}
           COMMAND ${POOLBUF_NODE} ${tests}/schema.test.mjs ${leaks_schema}
                   ${PROJECT_SOURCE_DIR}/leakdetect/tests/golden/${name}.json ${web_build} ${optional_keys})
  list(APPEND schema_tests reports.leaks_schema_${name})
endforeach()
set_tests_properties(reports.results_schema reports.leaks_schema ${schema_tests} PROPERTIES LABELS "reports;schema" TIMEOUT 60)

if(NOT POOLBUF_BROWSER_TEST)
  return()
endif()
find_program(POOLBUF_CHROMIUM NAMES chromium chromium-browser google-chrome)
add_executable(write_pages ${tests}/write_pages.c)
target_link_libraries(write_pages PRIVATE poolbuf_warnings poolbuf_reports_fixture)
set(pages ${CMAKE_CURRENT_BINARY_DIR}/pages)
file(MAKE_DIRECTORY ${pages})
add_test(NAME reports.write_pages COMMAND write_pages ${pages})
set_tests_properties(reports.write_pages PROPERTIES FIXTURES_SETUP report_pages LABELS "reports;browser" TIMEOUT 60)
if(POOLBUF_SANITIZE)
  message(STATUS "reports.browser is left out: write_pages has what a sanitizer sees of it; the pages are the same")
  return()
endif()
if(POOLBUF_CHROMIUM)
  add_test(NAME reports.browser
           COMMAND ${POOLBUF_NODE} ${tests}/browser.test.mjs ${pages} ${web_build} ${POOLBUF_CHROMIUM})
else()
  add_test(NAME reports.browser COMMAND ${CMAKE_COMMAND} -E cat
           "chromium was not found: apt-get install chromium, or configure with -DPOOLBUF_BROWSER_TEST=OFF")
endif()
set_tests_properties(reports.browser PROPERTIES FIXTURES_REQUIRED report_pages LABELS "reports;browser" TIMEOUT 180)
