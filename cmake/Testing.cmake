# poolbuf_unit_test(NAME SOURCES... LINK...)  one cmocka program, one CTest test called <module>.<NAME>.
#   poolbuf_unit_test(test_bitmap MODULE allocator SOURCES test_bitmap.c LINK poolbuf_internal [TIMEOUT seconds] [LABELS ...])
# ONE_THREAD: nothing in it runs beside anything, so that ThreadSanitizer, under which it is left out, has nothing to look at.
# With POOLBUF_MEMCHECK=ON each unit test also runs under Memcheck, as memcheck.<module>.<name> with the label memcheck. Its
# threads take turns (--fair-sched): Valgrind runs one at a time, and one that another waits for may else wait for minutes.
option(POOLBUF_MEMCHECK "Also run each unit test under Valgrind's Memcheck" OFF)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_program(POOLBUF_VALGRIND valgrind)

function(poolbuf_unit_test name)
  cmake_parse_arguments(arg "NO_MEMCHECK;ONE_THREAD" "MODULE;TIMEOUT" "SOURCES;LINK;LABELS;ENVIRONMENT" ${ARGN})
  if(NOT POOLBUF_TESTS)
    return()
  endif()
  if(arg_ONE_THREAD AND POOLBUF_SANITIZE MATCHES "thread")
    message(STATUS "${arg_MODULE}.${name} is left out: it has one thread, so ThreadSanitizer has nothing to look at")
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE poolbuf_warnings ${arg_LINK} PkgConfig::CMOCKA Threads::Threads)
  set(test ${arg_MODULE}.${name})
  add_test(NAME ${test} COMMAND ${name})
  set_tests_properties(${test} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "unit;${arg_MODULE};${arg_LABELS}"
                       ENVIRONMENT "${arg_ENVIRONMENT}")
  if(POOLBUF_MEMCHECK AND NOT arg_NO_MEMCHECK)
    add_test(NAME memcheck.${test}
             COMMAND ${POOLBUF_VALGRIND} --quiet --fair-sched=yes --leak-check=full --show-leak-kinds=definite,indirect,possible
                     --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 --trace-children=no
                     $<TARGET_FILE:${name}>)
    math(EXPR slow "${arg_TIMEOUT} * 10")
    set_tests_properties(memcheck.${test} PROPERTIES TIMEOUT ${slow} LABELS "memcheck;${arg_MODULE}"
                         ENVIRONMENT "${arg_ENVIRONMENT}")
  endif()
endfunction()

# poolbuf_header_check(MODULE): each header in include/poolbuf/ of the current folder compiles alone, as C11 and as C++17.
function(poolbuf_header_check module)
  file(GLOB headers RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/include CONFIGURE_DEPENDS include/poolbuf/*.h)
  set(sources)
  foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER ${header} name)
    foreach(language c cc)
      set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.${language})
      file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\nextern int ${name};\n")
      list(APPEND sources ${source})
    endforeach()
  endforeach()
  add_library(${module}_headers OBJECT ${sources})
  target_include_directories(${module}_headers PRIVATE include ${PROJECT_SOURCE_DIR}/allocator/include)
  target_link_libraries(${module}_headers PRIVATE poolbuf_warnings)
endfunction()

# poolbuf_fuzz_target(NAME SOURCES... LINK...)  a libFuzzer program in build/fuzz/fuzz/, made where POOLBUF_FUZZ is on.
if(POOLBUF_FUZZ)
  add_custom_target(fuzz_targets)
endif()
function(poolbuf_fuzz_target name)
  if(NOT POOLBUF_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE poolbuf_warnings ${arg_LINK})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  add_dependencies(fuzz_targets ${name})
endfunction()
