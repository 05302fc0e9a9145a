"""The folder of files in the making, shared by all processes of a machine."""

from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from dataset_service.app import create_app
from dataset_service.settings import Settings
from dataset_service.spool import Spool


def test_a_start_removes_what_a_killed_one_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    (tmp_path / "tmp1234").write_text("a trial write that was killed")
    (tmp_path / "abandoned").mkdir()
    (tmp_path / "abandoned" / "half.upload").write_text("x")
    living, started = Spool(tmp_path), Spool(tmp_path)
    living.open()
    started.open()
    assert set(tmp_path.iterdir()) == {living.folder, started.folder}
    living.close()
    started.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_its_owner_removes_meanwhile_does_not_stop_a_start(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")  # listed, and not there when it is opened
    started = Spool(tmp_path)
    started.open()
    assert started.folder.is_dir()
    started.close()


async def test_what_is_uploaded_is_stored_also_from_a_spool_on_another_disk(settings: Settings) -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder:
        app = create_app(settings.model_copy(update={"spool_path": Path(folder)}))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://dataset") as client,
        ):
            files = {"file": ("t.csv", b"a,b\n1,2\n", "text/csv")}
            made = await client.post("/api/v1/datasets/upload", data={"name": "t"}, files=files)
            assert made.status_code == 201
            assert (await client.get("/api/v1/datasets/t/rows?format=csv")).text == "a,b\n1,2\n"
