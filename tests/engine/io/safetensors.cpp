#include "engine/io/safetensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/io/file.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// A file by hand: the header's length, the header, the data.
std::string file_of(const std::string& header, const std::string& data) {
    std::string bytes;
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(std::uint64_t{header.size()} >> shift & 0xff);
    return bytes + header + data;
}

// What loading such a file says after "PATH: ".
std::string complaint(const std::string& bytes) {
    const TemporaryFolder folder;
    const auto path = folder / "model.safetensors";
    write_bytes(path, bytes);
    const std::string message = error_of([&] { load_safetensors(path); });
    const std::string prefix = path.string() + ": ";
    CHECK_MESSAGE(message.starts_with(prefix), message);
    return message.substr(std::min(prefix.size(), message.size()));
}

}    // namespace

TEST_CASE("safetensors: a file made by hand reads as the format says") {
    const TemporaryFolder folder;
    const std::string header =
        R"({"b":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]},"__metadata__":{"who":"héllo"},)"
        R"("a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"s":{"dtype":"BF16","shape":[],"data_offsets":[11,13]}}  )";
    write_bytes(folder / "x", file_of(header, std::string("\x01\x02\xff"
                                                          "\x00\x00\x80\x3f"
                                                          "\x00\x00\x00\xc0"
                                                          "\x80\x3f",
                                                          13)));
    const SafetensorsFile file = load_safetensors(folder / "x");
    REQUIRE(file.tensors.size() == 3);
    const Tensor &a = file.tensors.at("a"), &b = file.tensors.at("b"), &s = file.tensors.at("s");
    CHECK(a.dtype() == DType::u8);
    CHECK(a.values() == std::vector<double>{1, 2, 255});
    CHECK(b.dtype() == DType::f32);
    CHECK(b.shape() == Shape{1, 2});
    CHECK(b.values() == std::vector<double>{1, -2});
    CHECK(s.dtype() == DType::bf16);
    CHECK(s.rank() == 0);
    CHECK(s.item() == 1);
    CHECK(file.metadata == std::map<std::string, std::string>{{"who", "héllo"}});
}

TEST_CASE("safetensors: every dtype, views, scalars and empty tensors come back as they were saved") {
    const TemporaryFolder folder;
    SafetensorsFile file;
    file.metadata = {{"config", R"({"channels": [16, 32, 64]})"}, {"empty", ""}};
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::i32, DType::i64, DType::u8})
        file.tensors[std::string(name_of(dtype))] = from_values({0, 1, 2, 3, 100, 127}, {2, 3}, dtype);
    file.tensors["view"] = from_values({1, 2, 3, 4, 5, 6}, {2, 3}).transpose(0, 1);
    file.tensors["scalar"] = scalar(-7, DType::i64);
    file.tensors["none"] = empty({4, 0, 2}, DType::f64);
    save_safetensors(folder / "x", file);
    CHECK(folder.files() == 1);

    const SafetensorsFile back = load_safetensors(folder / "x");
    CHECK(back.metadata == file.metadata);
    REQUIRE(back.tensors.size() == file.tensors.size());
    for (const auto& [name, tensor] : file.tensors) {
        CAPTURE(name);
        const Tensor& other = back.tensors.at(name);
        CHECK(other.dtype() == tensor.dtype());
        CHECK(other.shape() == tensor.shape());
        CHECK(other.values() == tensor.values());
    }
    // Data starts at a multiple of 8, so that every tensor lies aligned for its element.
    CHECK((8 + static_cast<unsigned char>(read_bytes(folder / "x")[0])) % 8 == 0);
}

TEST_CASE("safetensors: infinities, NaN and the last bit survive") {
    const TemporaryFolder folder;
    const double inf = std::numeric_limits<double>::infinity(), odd = 1 + std::numeric_limits<double>::epsilon();
    save_safetensors(folder / "x",
                     {.tensors = {{"t", from_values({inf, -inf, odd, std::nan("")}, {4}, DType::f64)}}, .metadata = {}});
    const auto values = load_safetensors(folder / "x").tensors.at("t").values();
    CHECK(values[0] == inf);
    CHECK(values[1] == -inf);
    CHECK(values[2] == odd);
    CHECK(std::isnan(values[3]));
}

TEST_CASE("safetensors: a damaged file is refused in one line that says what is wrong") {
    const std::string one = R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight = "12345678";
    REQUIRE(one.size() == 54);
    CHECK(complaint(file_of(one, "1234567")) == "truncated: header says 70 bytes, file has 69");
    CHECK(complaint(file_of(one, eight + "!")) == "too long: header says 70 bytes, file has 71");
    CHECK(complaint(file_of(one, eight).substr(0, 30)) == "truncated: the header alone takes 62 bytes, file has 30");
    CHECK(complaint("") == "not a safetensors file: it has only 0 bytes");
    CHECK(complaint("\x89PNG\r\n\x1a\n and more").starts_with("not a safetensors file, or its header is too large: "));
    CHECK(complaint(file_of("[]", "")) == "not a safetensors file: its header is not a JSON object");
    CHECK(complaint(file_of("{\"t\": ", "")) == "not a safetensors file: its header is not JSON (byte 7)");

    // The description of one tensor t, with eight bytes of data.
    const auto entry = [&](const std::string& dtype, const std::string& shape, const std::string& offsets) {
        return complaint(
            file_of(R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", eight));
    };
    CHECK(entry(R"("F16")", "[4]", "[0,8]") == "tensor 't' has dtype F16; expected F32, F64, BF16, I32, I64 or U8");
    CHECK(entry("3", "[2]", "[0,8]") == "tensor 't' has no dtype");
    CHECK(entry(R"("F32")", "[3]", "[0,8]") == "tensor 't' of f32 (3,) takes 12 bytes, its data_offsets span 8");
    CHECK(entry(R"("F32")", "[-2]", "[0,8]") == "tensor 't' has no shape, or it is not a list of integers ≥ 0");
    CHECK(entry(R"("F32")", "[2]", "[0,8.5]") == "tensor 't' has no data_offsets, or it is not a list of integers ≥ 0");
    CHECK(entry(R"("F32")", "[2]", "[8,0]") == "tensor 't' has data_offsets that are not [begin, end]");
    CHECK(entry(R"("F32")", "[2]", "[8]") == "tensor 't' has data_offsets that are not [begin, end]");
    CHECK(entry(R"("U8")", "[1,1,2,1,2,1,2]", "[0,8]") == "tensor 't' has 7 axes; expected at most 6");
    CHECK(entry(R"("U8")", "[4294967296,4294967296]", "[0,0]") == "tensor 't' has a shape too large to be real");
    CHECK(entry(R"("U8")", "[0,18446744073709551615]", "[0,0]") == "tensor 't' has a shape too large to be real");
    CHECK(entry(R"("U8")", "[4]", "[4,8]") == "tensor 't' starts at byte 4 of the data; nothing describes the bytes from 0");

    const auto header = [&](const std::string& text) { return complaint(file_of(text, eight)); };
    const std::string first = R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},)";
    CHECK(header(first + R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})") ==
          "tensor 'b' starts at byte 4 of the data; it overlaps the one before, which ends at 5");
    CHECK(header(first + R"("a":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}})") == R"(tensor "a" is described twice)");
    CHECK(header(first + R"("b":3})") == "tensor 'b' is not described by an object");
    CHECK(header(first + R"("__metadata__":{"step":3}})") == "__metadata__ 'step' is not a string");
    CHECK(header(first + R"("__metadata__":[]})") == "__metadata__ is not an object");
}

TEST_CASE("safetensors: what cannot be opened is named") {
    const TemporaryFolder folder;
    const auto missing = folder / "missing";
    CHECK(error_of([&] { load_safetensors(missing); }) == missing.string() + ": no such file");
    CHECK(error_of([&] { load_safetensors(folder.path()); }) == folder.path().string() + ": not a regular file");
}

TEST_CASE("safetensors: a save that fails leaves the old file and nothing else") {
    const TemporaryFolder folder;
    const auto path = folder / "x";
    save_safetensors(path, {.tensors = {{"t", from_values({1, 2}, {2})}}, .metadata = {}});
    const std::string before = read_bytes(path);

    CHECK(error_of([&] {
              save_safetensors(path, {.tensors = {{"t", Tensor()}}, .metadata = {}});
          }) == path.string() + ": tensor 't' is undefined");
    CHECK(error_of([&] {
              save_safetensors(path, {.tensors = {}, .metadata = {{"k", "\xff"}}});
          }) == path.string() + ": cannot be written: a name or a metadata string is not UTF-8");
    {
        AtomicFile abandoned(path);
        abandoned.write("half", 4);
        CHECK(folder.files() == 2);
    }
    CHECK(read_bytes(path) == before);
    CHECK(folder.files() == 1);

    const auto nowhere = folder / "no/such/folder/x";
    CHECK(error_of([&] { save_safetensors(nowhere, {}); }) ==
          nowhere.string() + ": cannot be written: No such file or directory");
    CHECK(error_of([&] { save_safetensors(folder.path(), {}); }) == folder.path().string() + ": is a folder");
}

TEST_CASE("safetensors: a save replaces the file under its name") {
    const TemporaryFolder folder;
    const auto path = folder / "x";
    write_bytes(path, "something else");
    write_bytes(folder / "x.tmp0", "left by a process that was killed");
    save_safetensors(path, {.tensors = {{"t", scalar(5)}}, .metadata = {}});
    CHECK(load_safetensors(path).tensors.at("t").item() == 5);
    CHECK(folder.files() == 1);
}

TEST_CASE("what a killed process left of a file is removed when it is written again, what another writes is not") {
    const TemporaryFolder folder;
    write_bytes(folder / "x.tmp0", "half of it");
    {
        AtomicFile first(folder / "x"), second(folder / "x");
        CHECK(read_bytes(folder / "x.tmp0").empty());
        CHECK(std::filesystem::exists(folder / "x.tmp1"));
        first.write("1", 1);
        first.commit();
        CHECK(read_bytes(folder / "x") == "1");
        second.write("2", 1);
        second.commit();
    }
    CHECK(read_bytes(folder / "x") == "2");
    CHECK_FALSE(std::filesystem::exists(folder / "x.tmp0"));
    CHECK_FALSE(std::filesystem::exists(folder / "x.tmp1"));
}

TEST_CASE("safetensors: a file written in pieces is the file written at once") {
    const TemporaryFolder folder;
    const Tensor images = from_values({1, 2, 3, 4, 5, 6}, {3, 2}), labels = from_values({7, 8}, {2}, DType::u8);
    save_safetensors(folder / "whole", {{{"images", images}, {"labels", labels}}, {{"who", "me"}}});
    {
        SafetensorsWriter writer(folder / "parts", {{"images", DType::f32, {3, 2}}, {"labels", DType::u8, {2}}}, {{"who", "me"}});
        writer.append(images.slice(0, 0, 2));
        writer.append(images.slice(0, 2, 3));
        CHECK(error_of([&] { writer.commit(); }).ends_with("parts: cannot be written: 2 bytes of its tensors are missing"));
        CHECK_THROWS_AS(writer.append(images), Error);
        CHECK_FALSE(std::filesystem::exists(folder / "parts"));
        writer.append(labels);
        writer.commit();
    }
    CHECK(read_bytes(folder / "parts") == read_bytes(folder / "whole"));
    {
        SafetensorsWriter abandoned(folder / "half", {{"images", DType::f32, {3, 2}}});
        abandoned.append(images);
    }
    CHECK(folder.files() == 2);
}
