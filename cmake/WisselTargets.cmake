# The macros every folder uses. Targets are named wissel_<x> and used through their alias wissel::<x>.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# Flags for our own code; generated code gets only the sanitizers.
add_library(wissel_flags INTERFACE)
# Designated initialisers leave out members on purpose; g++ takes that for an oversight.
target_compile_options(wissel_flags INTERFACE -Wall -Wextra -Wno-missing-field-initializers)
if(WISSEL_WERROR)
  target_compile_options(wissel_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(wissel_flags INTERFACE -Wthread-safety)
endif()
if(WISSEL_SANITIZE)
  add_compile_options(-fsanitize=${WISSEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WISSEL_SANITIZE})
endif()
if(WISSEL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# The allocator of what runs for long or is measured; sanitizers bring their own. See
# docs/adr/0009-jemalloc.md.
add_library(wissel_allocator INTERFACE)
if(NOT WISSEL_SANITIZE)
  target_link_libraries(wissel_allocator INTERFACE PkgConfig::jemalloc)
endif()

function(_wissel_target target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE wissel_flags)
endfunction()

# wissel_library(NAME base SRCS a.cc b.cc DEPS absl::status PRIVATE_DEPS ...)
function(wissel_library)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(wissel_${A_NAME} STATIC ${A_SRCS})
  add_library(wissel::${A_NAME} ALIAS wissel_${A_NAME})
  _wissel_target(wissel_${A_NAME})
  target_link_libraries(wissel_${A_NAME} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
endfunction()

# wissel_service(NAME wissel-router SRCS main.cc DEPS wissel::router): a binary in <build>/bin.
function(wissel_service)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  _wissel_target(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} wissel_allocator)
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# wissel_test(NAME base_test SRCS ... DEPS ... LABEL unit|conformance|integration|e2e TIMEOUT 60)
# One binary per folder and label. `unit` tests run in `scripts/test --quick`; the others may use the
# servers that scripts/stack starts, whose addresses come in the environment.
function(wissel_test)
  cmake_parse_arguments(A "" "NAME;LABEL;TIMEOUT" "SRCS;DEPS" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${A_NAME} ${A_SRCS})
  _wissel_target(${A_NAME})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # It takes GoogleTest's macros behind an `if` for ambiguous; clang knows better.
    target_compile_options(${A_NAME} PRIVATE -Wno-dangling-else)
  endif()
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test)
  add_test(NAME ${A_NAME} COMMAND ${A_NAME}
    --gtest_output=xml:${PROJECT_BINARY_DIR}/test-results/${A_NAME}.xml
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${A_NAME} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
endfunction()

# wissel_benchmark(NAME bus_benchmark SRCS ... DEPS ...): Google Benchmark, in <build>/bench.
function(wissel_benchmark)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  _wissel_target(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} wissel_allocator benchmark::benchmark
                        benchmark::benchmark_main)
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endfunction()

# wissel_fuzzer(NAME mail_fuzz SRCS ... DEPS ... CORPUS dir): with the `fuzz` preset a libFuzzer binary in
# <build>/fuzz; otherwise a unit test that runs the same entry point over every file of the corpus.
function(wissel_fuzzer)
  cmake_parse_arguments(A "" "NAME;CORPUS" "SRCS;DEPS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  _wissel_target(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS})
  if(WISSEL_FUZZ)
    target_link_options(${A_NAME} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  else()
    target_sources(${A_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/fuzz_replay_main.cc)
    set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test)
    add_test(NAME ${A_NAME}_corpus COMMAND ${A_NAME} ${A_CORPUS}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    set_tests_properties(${A_NAME}_corpus PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endfunction()

# wissel_proto(NAME proto ROOT dir PROTOS wissel/common/v1/ids.proto ...): messages and gRPC stubs.
function(wissel_proto)
  cmake_parse_arguments(A "" "NAME;ROOT" "PROTOS" ${ARGN})
  get_filename_component(root ${A_ROOT} ABSOLUTE)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  foreach(p ${A_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${p})
    # The first output must be the name protoc writes first in its dependency file (alphabetical),
    # or Ninja rebuilds everything on every run.
    set(generated ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    add_custom_command(OUTPUT ${generated}
      COMMAND protobuf::protoc -I ${root} --cpp_out=${out} --grpc_out=${out}
              --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>
              --dependency_out=${out}/${stem}.d ${root}/${p}
      DEPENDS ${root}/${p} protobuf::protoc gRPC::grpc_cpp_plugin
      DEPFILE ${out}/${stem}.d VERBATIM)
    list(APPEND srcs ${out}/${stem}.pb.cc)
    file(STRINGS ${root}/${p} has_service REGEX "^service ")
    if(has_service)
      list(APPEND srcs ${out}/${stem}.grpc.pb.cc)
    endif()
    list(APPEND headers ${out}/${stem}.pb.h)
  endforeach()
  add_library(wissel_${A_NAME} STATIC ${srcs} ${headers})
  add_library(wissel::${A_NAME} ALIAS wissel_${A_NAME})
  target_include_directories(wissel_${A_NAME} SYSTEM PUBLIC ${out})
  target_link_libraries(wissel_${A_NAME} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
endfunction()
