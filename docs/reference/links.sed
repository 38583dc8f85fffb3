# Links within a page, and to folders and files that the reference does not have, become plain text: Doxygen knows their
# targets by other names, or not at all.
s/\[([^]]*)\]\(#[^)]*\)/\1/g
s/\[([^]]*)\]\([^):]*\/[a-z_]+(\.cpp)?\)/\1/g
s/\[([^]]*)\]\(derivations\/[^)]*\)/\1/g
