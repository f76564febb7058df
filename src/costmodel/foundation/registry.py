"""Registries: what can be named in a scenario or on the command line, from the library and from installed packages.

A package adds an entry with an entry point, in the group of the registry; docs/how-to shows each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar
from warnings import warn

from costmodel.foundation.errors import InputError
from costmodel.foundation.names import Names, name_key

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Entries by name; each is loaded at its first use.

    The names of the library come first. Entry points of installed packages are read only for another name or for a
    list of all names, because reading them takes longer than most look-ups.

    Parameters
    ----------
    kind : str
        Kind of the entries, for messages: "scaling law".
    group : str
        Group of the entry points that add entries: "costmodel.scaling_laws".
    own : Collection of str
        Names of the library.
    load : callable
        Returns the entry of a name of the library.
    check : callable
        Returns what is wrong with the entry of a package, given its name and the entry, or "".
    aliases : Collection of str
        Further names that packages cannot use.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        own: Collection[str],
        load: Callable[[str], T],
        check: Callable[[str, Any], str],
        aliases: Collection[str] = (),
    ) -> None:
        self.kind, self.group, self.own = kind, group, own
        self._load, self._check, self._aliases = load, check, aliases
        self._loaded: dict[str, T] = {}

    @cached_property
    def added(self) -> dict[str, EntryPoint]:
        """Entry points of installed packages by name.

        A name that the library or another package already uses is left out, with a warning.
        """
        from importlib.metadata import entry_points

        taken = {name_key(name): "costmodel" for name in (*self._aliases, *self.own)}
        added: dict[str, EntryPoint] = {}
        for entry in entry_points(group=self.group):
            key = name_key(entry.name)
            if key in taken:
                warn(
                    f"{self._of_package(entry)} is left out, because {taken[key]} already uses its name; "
                    f"rename the entry point {_written(entry)} in the group {self.group}",
                    stacklevel=2,
                )
                continue
            taken[key] = _package(entry)
            added[entry.name] = entry
        return added

    def working(self) -> dict[str, T]:
        """Return the entries by name; a warning names each entry of a package that cannot be loaded."""
        entries: dict[str, T] = {}
        for name in self:
            try:
                entries[name] = self[name]
            except InputError as error:
                warn(str(error), stacklevel=2)
        return entries

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            self._loaded[name] = self._load(name) if name in self.own else self._load_added(self.added[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.added

    def __iter__(self) -> Iterator[str]:
        return iter((*self.own, *self.added))

    def __len__(self) -> int:
        return len(self.own) + len(self.added)

    def _load_added(self, entry: EntryPoint) -> T:
        try:
            value: T = entry.load()
        except Exception as error:  # an import runs any code of the package
            raise InputError(
                f"{self._of_package(entry)} cannot be loaded: the entry point {_written(entry)} in the group "
                f"{self.group} raises {type(error).__name__}: {error}"
            ) from error
        if problem := self._check(entry.name, value):
            raise InputError(
                f"{self._of_package(entry)} cannot be used: the entry point {_written(entry)} in the group "
                f"{self.group} {problem}"
            )
        return value

    def _of_package(self, entry: EntryPoint) -> str:
        return f"{self.kind} {entry.name!r} of {_package(entry)}"


def references(kind: str, group: str, paths: Mapping[str, str], check: Callable[[str, Any], str]) -> Registry[Any]:
    """Return a registry whose entries in the library are given as "module:attribute".

    Parameters
    ----------
    kind, group : str
        As for `Registry`.
    paths : Mapping
        Module and attribute by name, such as "costmodel.training.recipes.finetuning:LoRA".
    check : callable
        As for `Registry`.
    """
    return Registry(kind, group, paths, lambda name: resolve_name(paths[name]), check)


class Catalog(Names[T]):
    """Entries of a registry by name or alias; case and separators do not matter.

    Parameters
    ----------
    registry : Registry
        The entries.
    aliases : Mapping, optional
        Further names of an entry of the library, by its proper name.
    dropped : tuple of str
        Leading words that are ignored, such as a vendor.
    """

    def __init__(
        self,
        registry: Registry[T],
        aliases: Mapping[str, Collection[str]] | None = None,
        dropped: tuple[str, ...] = (),
    ) -> None:
        super().__init__(registry.kind, {}, aliases, dropped)
        self._proper |= {name_key(name): name for name in registry.own}
        self.things = self.registry = registry

    def proper(self, name: object) -> str | None:
        """Return the proper name of a name or alias, or None if it is unknown."""
        own = super().proper(name)
        return own or (self._added.get(name_key(name)) if isinstance(name, str) else None)

    @cached_property
    def _added(self) -> dict[str, str]:
        return {name_key(name): name for name in self.registry.added}


def _package(entry: EntryPoint) -> str:
    """Return the package of an entry point with its version, for messages."""
    return "an unknown package" if entry.dist is None else f"the package {entry.dist.name} {entry.dist.version}"


def _written(entry: EntryPoint) -> str:
    """Return an entry point as its package declares it."""
    return f'"{entry.name} = {entry.value}"'
