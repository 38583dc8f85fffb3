#include "nn/data/picture_list.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

void touch(const TemporaryFolder& folder, const std::string& name, const std::string& bytes = "x") {
    fs::create_directories((folder / name).parent_path());
    write_bytes(folder / name, bytes);
}

std::vector<std::string> names(const PictureList& list) {
    std::vector<std::string> result;
    for (const PictureFile& file : list.files) result.push_back(file.name);
    return result;
}

}    // namespace

TEST_CASE("picture list: sub-folders are classes, in the order of their names, with folders inside") {
    const TemporaryFolder folder;
    for (const char* name : {"dog/2.png", "dog/1.PNG", "cat/deep/er/1.png", "empty/readme.txt", "cat/1.png"}) touch(folder, name);
    const PictureList list = list_pictures(folder.path());
    CHECK(names(list) == std::vector<std::string>{"cat/1.png", "cat/deep/er/1.png", "dog/1.PNG", "dog/2.png"});
    CHECK(list.classes == std::vector<std::string>{"cat", "dog"});
    CHECK(list.files[1].label == 0);
    CHECK(list.files[2].label == 1);
    CHECK(list.others == 1);
}

TEST_CASE("picture list: pictures in the folder itself have no classes, what is hidden or of another kind is counted") {
    const TemporaryFolder folder;
    for (const char* name : {"b.png", "a.png", ".hidden.png", ".git/c.png", "d.jpg", "e.JPEG", "notes.txt", "f.png.part"})
        touch(folder, name);
    const PictureList list = list_pictures(folder.path());
    CHECK(names(list) == std::vector<std::string>{"a.png", "b.png"});
    CHECK(list.classes.empty());
    CHECK(list.hidden == 2);
    CHECK(list.jpegs == 2);
    CHECK(list.others == 2);
}

TEST_CASE("picture list: sizes and times are those of the files, also behind links") {
    const TemporaryFolder folder, elsewhere;
    touch(elsewhere, "cat/1.png", "four");
    fs::create_directory_symlink(elsewhere / "cat", folder / "cat");
    touch(folder, "dog/1.png", "sixsix");
    const PictureList list = list_pictures(folder.path());
    REQUIRE(list.files.size() == 2);
    CHECK(list.files[0].bytes == 4);
    CHECK(list.files[1].bytes == 6);
    CHECK(list.files[1].time == fs::last_write_time(folder / "dog/1.png").time_since_epoch().count());
}

TEST_CASE("picture list: what cannot be is said in one line") {
    const TemporaryFolder folder;
    touch(folder, "1.png");
    touch(folder, "cat/1.png");
    touch(folder, "cat/2.png");
    CHECK(error_of([&] { list_pictures(folder.path()); }) ==
          folder.path().string() +
              ": expected pictures in the folder itself or in one folder per class, got 1 and 2: move one kind elsewhere");
    const TemporaryFolder loop;
    fs::create_directory(loop / "cat");
    fs::create_directory_symlink(loop.path(), loop / "cat/up");
    CHECK(error_of([&] { list_pictures(loop.path()); }).find("deep") != std::string::npos);
    const TemporaryFolder latin;
    touch(latin, "caf\xe9/1.png");
    CHECK(error_of([&] { list_pictures(latin.path()); }) ==
          (latin / "caf\xe9").string() + ": is a class whose name is not UTF-8; rename the folder");
    CHECK(error_of([&] { list_pictures(latin / "nowhere"); }) ==
          (latin / "nowhere").string() + ": cannot be read: No such file or directory");
}
