// The directory in memory.
#include "store/directory_picture.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace postern::store {
namespace {

Account account(std::uint64_t id, std::string name, std::vector<std::string> aliases = {}) {
  return Account{.id = AccountId{id},
                 .name = std::move(name),
                 .inbox = MailboxId{id},
                 .aliases = std::move(aliases)};
}

std::shared_ptr<const DirectoryPicture> picture_with(std::vector<Account> accounts) {
  DirectoryEditor editor(std::make_shared<const DirectoryPicture>());
  editor.add_domain("a.example");
  editor.add_domain("b.example");
  for (Account& one : accounts) editor.put_account(std::move(one));
  return editor.build();
}

TEST(DirectoryPicture, EmptyKnowsNobody) {
  const DirectoryPicture picture;
  EXPECT_EQ(picture.route("x", "y.example").kind, Route::Kind::remote);
  EXPECT_EQ(picture.route("postmaster", "").kind, Route::Kind::unknown_user);
  EXPECT_EQ(picture.find_login("x@y.example"), nullptr);
  EXPECT_TRUE(picture.domains().empty());
}

TEST(DirectoryPicture, OldPictureStaysAsItWas) {
  const auto first = picture_with({account(1, "x@a.example", {"y@a.example"})});
  const Account* before = first->find_login("x@a.example");
  DirectoryEditor editor(first);
  Account changed = *editor.find_name("x@a.example");
  changed.password_hash = "new";
  changed.aliases = {"z@a.example"};
  editor.put_account(changed);
  editor.remove_domain("b.example");
  EXPECT_TRUE(editor.changed());
  const auto second = editor.build();
  EXPECT_EQ(first->find_login("x@a.example"), before);
  EXPECT_EQ(before->password_hash, "");
  EXPECT_EQ(first->route("y", "a.example").kind, Route::Kind::local);
  EXPECT_TRUE(first->is_local_domain("B.example"));
  EXPECT_EQ(second->find_login("x@a.example")->password_hash, "new");
  EXPECT_EQ(second->route("y", "a.example").kind, Route::Kind::unknown_user);
  EXPECT_EQ(second->route("z", "a.example").kind, Route::Kind::local);
  EXPECT_FALSE(second->is_local_domain("b.example"));
}

TEST(DirectoryPicture, BarePostmaster) {
  EXPECT_EQ(picture_with({account(1, "x@a.example")})->route("postmaster", "").kind,
            Route::Kind::unknown_user);
  const auto picture = picture_with({account(1, "x@a.example", {"postmaster@b.example"}),
                                     account(2, "postmaster-team@a.example")});
  const Route route = picture->route("PostMaster", "");
  EXPECT_EQ(route.kind, Route::Kind::local);
  EXPECT_EQ(route.mailboxes, std::vector<MailboxId>{MailboxId{1}});
  EXPECT_EQ(picture->route("x", "").kind, Route::Kind::unknown_user);
  DirectoryEditor editor(picture);
  editor.remove_account("x@a.example");
  EXPECT_EQ(editor.build()->route("postmaster", "").kind, Route::Kind::unknown_user);
}

TEST(DirectoryPicture, ManyAccountsAreAllFoundAndSorted) {
  std::vector<Account> accounts;
  for (std::uint64_t i = 1; i <= 5000; ++i) {
    accounts.push_back(account(i, "user" + std::to_string(i) + "@a.example"));
  }
  const auto picture = picture_with(std::move(accounts));
  for (std::uint64_t i = 1; i <= 5000; ++i) {
    ASSERT_EQ(picture->route("user" + std::to_string(i), "a.example").mailboxes,
              std::vector<MailboxId>{MailboxId{i}});
  }
  const auto all = picture->accounts();
  ASSERT_EQ(all.size(), 5000u);
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, [](const Account* one) { return one->name; }));
}

TEST(DirectoryEditor, DomainInUse) {
  DirectoryEditor editor(picture_with({account(1, "x@a.example", {"y@b.example"})}));
  EXPECT_TRUE(editor.domain_in_use("a.example"));
  EXPECT_TRUE(editor.domain_in_use("b.example"));
  EXPECT_FALSE(editor.domain_in_use("example"));
}

}  // namespace
}  // namespace postern::store
