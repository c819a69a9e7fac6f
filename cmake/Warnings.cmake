# The warnings every target is built with, as the interface target poolbuf_warnings.
add_library(poolbuf_warnings INTERFACE)
set(common -Wall -Wextra -Wundef -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wvla -Wcast-align -Wcast-qual
           -Wwrite-strings -Wpointer-arith -Wmissing-declarations -Wdouble-promotion -Wimplicit-fallthrough)
set(c_only -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition)
target_compile_options(poolbuf_warnings INTERFACE ${common} "$<$<COMPILE_LANGUAGE:C>:${c_only}>")
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(poolbuf_warnings INTERFACE -Wlogical-op -Wduplicated-cond -Wduplicated-branches)
endif()
if(POOLBUF_WERROR)
  target_compile_options(poolbuf_warnings INTERFACE -Werror)
endif()
