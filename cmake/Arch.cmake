# LULL_ARCH becomes compiler flags, and the Highway target that those flags give is checked: without AES and PCLMUL,
# for instance, Highway silently falls to four lanes, and everything would run at half speed or less.
include(CheckCXXSourceCompiles)

if(LULL_ARCH STREQUAL "native")
  set(LULL_ARCH_FLAGS -march=native)
elseif(LULL_ARCH STREQUAL "avx2")
  set(LULL_ARCH_FLAGS -march=x86-64-v3 -maes -mpclmul)
else()
  message(FATAL_ERROR "LULL_ARCH: expected native or avx2, got '${LULL_ARCH}'")
endif()
# One target, the baseline of these flags: without this, Highway 1.0.3 refuses -march=native on AVX-512 machines from
# Ice Lake on, whose best target it would rather choose when running.
list(APPEND LULL_ARCH_FLAGS -DHWY_COMPILE_ONLY_STATIC)

function(lull_check_target variable condition)
  list(JOIN LULL_ARCH_FLAGS " " CMAKE_REQUIRED_FLAGS)
  set(CMAKE_REQUIRED_LIBRARIES hwy::hwy)
  string(CONFIGURE [[
    #include <hwy/highway.h>
    #ifdef __AVX512VL__
    constexpr bool avx512 = true;
    #else
    constexpr bool avx512 = false;
    #endif
    static_assert(@condition@);
    int main() {}
  ]] source @ONLY)
  check_cxx_source_compiles("${source}" ${variable})
endfunction()

lull_check_target(LULL_TARGET_VECTOR_${LULL_ARCH} "HWY_STATIC_TARGET != HWY_SCALAR && HWY_STATIC_TARGET != HWY_EMU128")
if(NOT LULL_TARGET_VECTOR_${LULL_ARCH})
  message(FATAL_ERROR "LULL_ARCH=${LULL_ARCH}: Highway finds no vector instructions with ${LULL_ARCH_FLAGS}")
endif()
if(LULL_ARCH STREQUAL "avx2")
  lull_check_target(LULL_TARGET_AVX2 "HWY_STATIC_TARGET == HWY_AVX2")
  if(NOT LULL_TARGET_AVX2)
    message(FATAL_ERROR "LULL_ARCH=avx2: Highway's target is not AVX2 with ${LULL_ARCH_FLAGS}")
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # Exponentials, logarithms and sines are accurate with fused multiply-adds only.
  lull_check_target(LULL_TARGET_FUSED "HWY_STATIC_TARGET <= HWY_AVX2")
  if(NOT LULL_TARGET_FUSED)
    message(FATAL_ERROR "LULL_ARCH=native: lull needs AVX2, and this machine has none (or no AES or PCLMUL beside it)")
  endif()
  # This machine has AVX-512: then Highway must use it.
  lull_check_target(LULL_TARGET_AVX512 "!avx512 || HWY_STATIC_TARGET < HWY_AVX2")
  if(NOT LULL_TARGET_AVX512)
    message(FATAL_ERROR "LULL_ARCH=native: this machine has AVX-512, but Highway's target is AVX2 or less")
  endif()
endif()
