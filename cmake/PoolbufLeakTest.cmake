# poolbuf_leak_checked_test(): a CTest test that fails when its program leaks. Comes with find_package(poolbuf).
#
#   poolbuf_leak_checked_test(NAME parser COMMAND parser_test --fast [LEVEL paranoid] [EXIT_CODE 99] [REPORT file])
#
# The program runs with POOLBUF_LEAK_LEVEL=<LEVEL> and ends with <EXIT_CODE> if buffers were never released; a report in
# its output fails the test as well, of misuse, too, so that neither an expected exit code nor a child hides one. With REPORT,
# the report goes to that file (`%p` in it is the process id, .json writes JSON), and one line in the output says so.
# LEVEL may be simple, advanced or paranoid: at `disabled` nothing would be checked, and the test would pass whatever
# leaks.
#
# What add_test() knows else (WORKING_DIRECTORY, CONFIGURATIONS, COMMAND_EXPAND_LISTS) may follow. Set further variables
# of the environment with set_tests_properties(... ENVIRONMENT ...): it does not replace those that are set here.
function(poolbuf_leak_checked_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;LEVEL;EXIT_CODE;REPORT" "")
  if(NOT arg_NAME)
    message(FATAL_ERROR "poolbuf_leak_checked_test: NAME is missing")
  endif()
  if(NOT DEFINED arg_LEVEL)
    set(arg_LEVEL paranoid)
  endif()
  if(NOT DEFINED arg_EXIT_CODE)
    set(arg_EXIT_CODE 99)
  endif()
  if(NOT arg_LEVEL MATCHES "^(simple|advanced|paranoid)$")
    message(FATAL_ERROR "poolbuf_leak_checked_test: LEVEL ${arg_LEVEL}: use simple, advanced or paranoid")
  endif()
  if(NOT arg_EXIT_CODE MATCHES "^[0-9]+$" OR arg_EXIT_CODE LESS 1 OR arg_EXIT_CODE GREATER 255)
    message(FATAL_ERROR "poolbuf_leak_checked_test: EXIT_CODE ${arg_EXIT_CODE}: use 1 to 255")
  endif()
  add_test(NAME ${arg_NAME} ${arg_UNPARSED_ARGUMENTS})
  set(environment "POOLBUF_LEAK_LEVEL=set:${arg_LEVEL}" "POOLBUF_LEAK_EXIT_CODE=set:${arg_EXIT_CODE}"
                  "POOLBUF_LEAK_NOTICE=set:on")
  if(arg_REPORT)
    list(APPEND environment "POOLBUF_LEAK_REPORT=set:${arg_REPORT}")
  else()
    list(APPEND environment "POOLBUF_LEAK_REPORT=unset:")
  endif()
  set_tests_properties(${arg_NAME} PROPERTIES ENVIRONMENT_MODIFICATION "${environment}"
                       FAIL_REGULAR_EXPRESSION "poolbuf: LEAK:;poolbuf: SCOPE:;poolbuf: MISUSE:")
endfunction()
