# find_package(lull): the targets lull::engine, lull::nn and lull::diffusion, and what they link.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(hwy)
find_dependency(nlohmann_json)
find_dependency(PNG)
find_dependency(ZLIB)
find_dependency(Eigen3 3.4 NO_MODULE)
include(${CMAKE_CURRENT_LIST_DIR}/lullTargets.cmake)
