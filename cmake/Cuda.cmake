# LULL_CUDA: whether there is a CUDA backend, and who compiles its kernels. One source, engine/ops/*/cuda.cu, serves nvcc and,
# for execution on the CPU, the C++ compiler. Of engine/cuda/{off,host,nvcc}, one folder is built.
if(NOT LULL_CUDA MATCHES "^(off|nvcc|host)$")
  message(FATAL_ERROR "LULL_CUDA: expected off, nvcc or host, got '${LULL_CUDA}'")
endif()

if(LULL_CUDA STREQUAL "nvcc")
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # This machine's GPU where there is one, otherwise Hopper.
    execute_process(COMMAND nvidia-smi --list-gpus RESULT_VARIABLE no_gpu OUTPUT_VARIABLE gpus ERROR_QUIET)
    if(no_gpu EQUAL 0 AND gpus)
      set(CMAKE_CUDA_ARCHITECTURES native)
    else()
      set(CMAKE_CUDA_ARCHITECTURES 90)
    endif()
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
elseif(LULL_CUDA STREQUAL "host")
  find_package(Boost REQUIRED COMPONENTS context)
endif()

# Adds what a folder has for LULL_CUDA to the list of its sources, and takes away what the other choices have.
function(lull_cuda_sources list)
  set(sources ${${list}})
  foreach(choice off nvcc host)
    if(NOT choice STREQUAL LULL_CUDA)
      list(FILTER sources EXCLUDE REGEX "/cuda/${choice}/")
    endif()
  endforeach()
  if(NOT LULL_CUDA STREQUAL "off")
    file(GLOB_RECURSE kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cu)
    list(APPEND sources ${kernels})
    if(LULL_CUDA STREQUAL "host")
      set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
    endif()
  endif()
  set(${list} ${sources} PARENT_SCOPE)
endfunction()

# What the engine needs of it.
function(lull_link_cuda target)
  if(LULL_CUDA STREQUAL "off")
    return()
  endif()
  target_compile_definitions(${target} PUBLIC LULL_WITH_CUDA)
  if(LULL_CUDA STREQUAL "nvcc")
    # CMake 3.25 gives nvcc 13 no -std=c++20, whatever CMAKE_CUDA_STANDARD says.
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-Werror=all-warnings;-lineinfo>")
    target_link_libraries(${target} PRIVATE CUDA::cudart_static CUDA::cublasLt)
  else()
    target_compile_definitions(${target} PUBLIC LULL_CUDA_HOST)
    target_link_libraries(${target} PRIVATE Boost::context)
    if(LULL_SANITIZE MATCHES "thread")    # which is told what the fibers do, and must not watch them do it
      set_source_files_properties(cuda/host/block.cpp PROPERTIES
        COMPILE_OPTIONS -fno-sanitize=thread COMPILE_DEFINITIONS LULL_FIBERS_UNDER_TSAN)
    endif()
  endif()
endfunction()
