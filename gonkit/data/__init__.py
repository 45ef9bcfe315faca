"""Signal types and their data: what a user extends."""

from __future__ import annotations

from gonkit.data.components import Display, Measures, Metric
from gonkit.data.contract import check_contract, read_dataset
from gonkit.data.dataset import DatasetInfo, InMemoryDataset, Pair, SignalDataset, SubsetDataset, evenly_spaced
from gonkit.data.files import BufferedWriter, SignalFiles, SignalReader, SignalWriter
from gonkit.data.folder import files_in, folder_split, ignored_files, visible_files
from gonkit.data.grid import Grid, Resolution
from gonkit.data.labels import LabeledFolder, LabelRule, check_label_rule
from gonkit.data.masks import ObservationMask, observed_mask, random_mask
from gonkit.data.settings import IsPath, Settings
from gonkit.data.signal import DecodeFn, DefaultLosses, Signal, Task
from gonkit.data.splits import Split, report_skipped_files, split_by_name, split_indices, window_starts
from gonkit.data.streaming import HDF5Rows, StreamingDataset
from gonkit.data.validation import SignalField, explain_validation_error

__all__ = [
    "BufferedWriter",
    "DatasetInfo",
    "DecodeFn",
    "DefaultLosses",
    "Display",
    "Grid",
    "HDF5Rows",
    "InMemoryDataset",
    "IsPath",
    "LabelRule",
    "LabeledFolder",
    "Measures",
    "Metric",
    "ObservationMask",
    "Pair",
    "Resolution",
    "Settings",
    "Signal",
    "SignalDataset",
    "SignalField",
    "SignalFiles",
    "SignalReader",
    "SignalWriter",
    "Split",
    "StreamingDataset",
    "SubsetDataset",
    "Task",
    "check_contract",
    "check_label_rule",
    "evenly_spaced",
    "explain_validation_error",
    "files_in",
    "folder_split",
    "ignored_files",
    "observed_mask",
    "random_mask",
    "read_dataset",
    "report_skipped_files",
    "split_by_name",
    "split_indices",
    "visible_files",
    "window_starts",
]
