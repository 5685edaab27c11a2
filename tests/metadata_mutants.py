"""Stores with one fault each in filters on metadata, and the test of the kit that must fail on it."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping

from mutants import ContractViolation

from tasksvc import Cursor, Operator, Page, StoreEntry, Task, TaskQuery, select, term, terms_of


class FindsByTerms(ContractViolation):
    """The base of mutants that index tasks by other terms, or compare terms in another way."""

    def terms(self, task: Task) -> Iterable[str]:
        """Returns the terms by which a task is found."""
        return terms_of(task)

    def compared(self, term: str) -> str:
        """Returns what is compared of a term."""
        return term

    def has(self, terms: set[str], wanted: set[str]) -> bool:
        """Returns whether a task with some terms has those that are looked for."""
        return wanted <= terms

    def _found(self, query: TaskQuery) -> tuple[TaskQuery, list[Task]]:
        """Returns the tasks that have the terms of a query, and the query without them."""
        conditions = [condition for condition in query.conditions() if condition.operator is Operator.HAS]
        wanted = {self.compared(str(condition.value)) for condition in conditions}
        tasks = [
            task
            for task in self._tasks.values()
            if not wanted or self.has(set(map(self.compared, self.terms(task))), wanted)
        ]
        return dataclasses.replace(query, labels=(), metadata=()), tasks

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        rest, tasks = self._found(query)
        return Page(*select(tasks, rest, after, limit, max_bytes), self._ledger.position)

    async def count(self, query: TaskQuery) -> int:
        rest, tasks = self._found(query)
        return sum(map(rest.matches, tasks))


# ---------------------------------------------------------------- how values are compared


class TakesFloatsForIntegers(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def compared(self, term: str) -> str:
        return term.removesuffix(".0")


class TakesTrueForOne(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def compared(self, term: str) -> str:
        return f"{term.removesuffix('=true')}=1" if term.endswith("=true") else term


class TakesTextsForNumbers(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def compared(self, term: str) -> str:
        return term.replace('"', "")


class IgnoresCaseOfValues(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def compared(self, term: str) -> str:
        return term.casefold()


class NormalisesValues(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def compared(self, term: str) -> str:
        return unicodedata.normalize("NFC", term)


class FindsNoNulls(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def terms(self, task: Task) -> Iterable[str]:
        return [term for term in terms_of(task) if not term.endswith("=null")]


class FindsPartsOfValues(FindsByTerms):
    caught_by = "test_values_of_different_types_are_told_apart"

    def has(self, terms: set[str], wanted: set[str]) -> bool:
        return all(any(each.startswith(term) for each in terms) for term in wanted)


class CutsTerms(FindsByTerms):
    """Compares the bytes that fit into a column."""

    caught_by = "test_long_values_are_found_whole"

    def compared(self, term: str) -> str:
        return term.encode()[:255].decode(errors="ignore")


class FindsNoLongValues(FindsByTerms):
    caught_by = "test_long_values_are_found_whole"

    def terms(self, task: Task) -> Iterable[str]:
        return [term for term in terms_of(task) if "#" not in term]


class TakesLabelsForValues(FindsByTerms):
    caught_by = "test_values_and_labels_of_the_same_text_are_told_apart"

    def compared(self, term: str) -> str:
        return term.removeprefix("metadata.")


class FindsAnyOfTheValues(FindsByTerms):
    caught_by = "test_all_values_of_a_filter_must_be_there"

    def has(self, terms: set[str], wanted: set[str]) -> bool:
        return bool(terms & wanted)


class FindsTheFirstValueAlone(FindsByTerms):
    caught_by = "test_all_values_of_a_filter_must_be_there"

    def has(self, terms: set[str], wanted: set[str]) -> bool:
        return min(wanted) in terms


class FindsNoFloats(FindsByTerms):
    caught_by = "test_any_filter_finds_what_its_conditions_say"

    def has(self, terms: set[str], wanted: set[str]) -> bool:
        return wanted <= terms and not any("." in term.partition("=")[2] for term in wanted)


# ---------------------------------------------------------------- which values have terms


class IndexesOtherwise(FindsByTerms):
    """The base of mutants that index other values than those that are to be found."""

    levels = 3

    def terms(self, task: Task) -> Iterable[str]:
        others = [term for term in terms_of(task) if not term.startswith("metadata.")]
        return [*others, *self.indexed(task.metadata, "metadata", self.levels)]

    def indexed(self, values: Mapping[str, object], path: str, levels: int) -> Iterator[str]:
        for name, value in values.items():
            if not name or "." in name:
                continue
            if value is None or isinstance(value, str | int | float):
                yield term(f"{path}.{name}", value)
            elif levels > 1 and isinstance(value, Mapping):
                yield from self.indexed(value, f"{path}.{name}", levels - 1)


class IndexesEveryValue(IndexesOtherwise):
    caught_by = "test_of_many_values_a_hundred_are_found"


class IndexesTheFirstHundredAsTheyCome(IndexesOtherwise):
    caught_by = "test_of_many_values_a_hundred_are_found"

    def terms(self, task: Task) -> Iterable[str]:
        return list(super().terms(task))[:100]


class IndexesFourLevels(IndexesOtherwise):
    caught_by = "test_a_path_has_at_most_three_levels"
    levels = 4


class IndexesTwoLevels(IndexesOtherwise):
    caught_by = "test_a_path_has_at_most_three_levels"
    levels = 2


class IndexesArrays(IndexesOtherwise):
    caught_by = "test_arrays_and_objects_are_not_found"

    def indexed(self, values: Mapping[str, object], path: str, levels: int) -> Iterator[str]:
        yield from super().indexed(values, path, levels)
        for name, value in values.items():
            if isinstance(value, list | tuple):
                yield from super().indexed(dict.fromkeys(map(str, value)), path, levels)
                yield from (term(f"{path}.{name}", item) for item in value if isinstance(item, str | int | float))


class IndexesJSONAsText(IndexesOtherwise):
    caught_by = "test_arrays_and_objects_are_not_found"

    def indexed(self, values: Mapping[str, object], path: str, levels: int) -> Iterator[str]:
        yield from super().indexed(values, path, levels)
        yield from (term(f"{path}.{name}", "{}") for name, value in values.items() if value == {})


class TakesDotsForLevels(IndexesOtherwise):
    caught_by = "test_names_that_a_path_cannot_tell_apart_are_not_found"

    def indexed(self, values: Mapping[str, object], path: str, levels: int) -> Iterator[str]:
        yield from super().indexed(values, path, levels)
        yield from (term(f"{path}.{name}", value) for name, value in values.items() if isinstance(value, int))


class IndexesEmptyNames(IndexesOtherwise):
    caught_by = "test_names_that_a_path_cannot_tell_apart_are_not_found"

    def indexed(self, values: Mapping[str, object], path: str, levels: int) -> Iterator[str]:
        yield from super().indexed(values, path, levels)
        yield from (term(f"{path}.", value) for name, value in values.items() if not name and isinstance(value, int))


# ---------------------------------------------------------------- what becomes of the terms


class KeepsTermsThatAreGone(FindsByTerms):
    caught_by = "test_a_filter_follows_the_metadata_of_a_patched_task"

    def terms(self, task: Task) -> Iterable[str]:
        versions = [change.task for change in self._log if change.task_id == task.id and change.task is not None]
        return [term for version in versions for term in terms_of(version)]


class KeepsTheTermsOfTheFirstVersion(FindsByTerms):
    caught_by = "test_a_filter_follows_the_metadata_of_a_patched_task"

    def terms(self, task: Task) -> Iterable[str]:
        return terms_of(next(change.task for change in self._log if change.task_id == task.id and change.task))


class KeepsTheParentOfTheFirstVersion(KeepsTheTermsOfTheFirstVersion):
    caught_by = "test_a_filter_follows_a_task_to_another_parent"


class IndexesNoRestoredTasks(FindsByTerms):
    caught_by = "test_a_restored_store_finds_what_the_dumped_one_does"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(entries)
        for workspace in self._memory.workspaces.values():
            vars(workspace)["unindexed"] = set(workspace.tasks)

    def terms(self, task: Task) -> Iterable[str]:
        return () if task.id in vars(self._workspace).get("unindexed", ()) else terms_of(task)


METADATA_MUTANTS = [
    found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)
]
