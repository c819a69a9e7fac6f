# Sanitizers and coverage apply to everything that is built, so they are directory-wide flags and not a target.
if(POOLBUF_SANITIZE)
  add_compile_options(-fsanitize=${POOLBUF_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${POOLBUF_SANITIZE})
endif()
if(POOLBUF_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
