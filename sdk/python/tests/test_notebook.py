"""The notebook of the examples, executed."""

import pytest

from conftest import ROOT, SPROUT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")


def test_the_notebook_runs(folder, monkeypatch):
    monkeypatch.setenv("SPROUT", str(SPROUT))
    notebook = nbformat.read(ROOT / "sdk/python/examples/few_shot.ipynb", as_version=4)
    assert len(notebook.cells) == 10
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(folder)}}
    ).execute()
    html = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert any("held-out samples right" in page for page in html)
    printed = [o["text"] for c in notebook.cells for o in c.get("outputs", []) if "text" in o]
    share = next(text for text in printed if "new images" in text)
    assert int(share.split("%")[0]) >= 80, share
