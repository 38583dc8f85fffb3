# Installs lull into an empty folder and uses it there as a stranger would: the command answers, and the project beside this
# file finds the package, compiles, and draws what it should.
# cmake -DBUILD=lull's build folder -DWORK=a folder to make anew -DGENERATOR=… -DCOMPILER=… -DFLAGS=… -P check.cmake
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGV}: ${status}\n${out}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed)
run(${WORK}/installed/bin/lull --version)
message("${output}")
foreach(file share/man/man1/lull.1 share/bash-completion/completions/lull share/zsh/site-functions/_lull
    share/fish/vendor_completions.d/lull.fish)
  file(SIZE ${WORK}/installed/${file} size)
  if(size EQUAL 0)
    message(FATAL_ERROR "${file} is empty")
  endif()
endforeach()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${WORK}/installed
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/mixture)
message("${output}")

# No header that someone else sees may lean on one that was not installed.
file(GLOB_RECURSE headers RELATIVE ${WORK}/installed/include/lull ${WORK}/installed/include/lull/*.h)
foreach(header ${headers})
  file(STRINGS ${WORK}/installed/include/lull/${header} includes REGEX "^#include \"")
  foreach(line ${includes})
    string(REGEX REPLACE "#include \"([^\"]*)\".*" "\\1" included "${line}")
    if(NOT EXISTS ${WORK}/installed/include/lull/${included})
      message(FATAL_ERROR "${header} includes ${included}, which is not installed")
    endif()
  endforeach()
endforeach()
