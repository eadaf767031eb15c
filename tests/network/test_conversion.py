import numpy as np
import pytest
from networks import colour_model, pixels

from pawprint.network.model import convert
from pawprint.runtime import compile_for_cpu, read_network, write_network

SIZE = 32


def test_network_that_is_read_gives_the_same_numbers_without_its_files(tmp_path):
    path = tmp_path / "network.xml"
    write_network(convert(colour_model(SIZE)), path, ["logits", "features"])
    network = read_network(path)
    for path in tmp_path.iterdir():
        path.unlink()
    (image,) = pixels(1, SIZE)
    expected = colour_model(SIZE)(image[None].astype(np.float32))
    assert network.input().names == {"pixels"}
    assert [output.names for output in network.outputs] == [{"logits"}, {"features"}]
    for output, of_keras in zip(compile_for_cpu(network)(image), expected, strict=True):
        assert output == pytest.approx(of_keras.numpy()[0], rel=1e-5)
