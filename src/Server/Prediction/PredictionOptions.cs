using System.ComponentModel.DataAnnotations;

namespace Atoll.Prediction;

/// <summary>Bounds of predictions, section <c>Prediction</c>.</summary>
internal sealed class PredictionOptions
{
    /// <summary>What the server calls itself in the Open Inference Protocol; some clients go on only with `triton`.</summary>
    [Required(AllowEmptyStrings = false)]
    public string ServerName { get; set; } = "atoll";

    /// <summary>Rows or texts of one request.</summary>
    [Range(1, 10_000_000)]
    public int SamplesMax { get; set; } = 10_000;

    /// <summary>Values of one request: its rows times the columns that the model reads.</summary>
    [Range(1, 100_000_000)]
    public int ValuesMax { get; set; } = 4_000_000;

    /// <summary>Rows of one request that asks why; each is predicted twice for every column that the model goes by.</summary>
    [Range(1, 100_000)]
    public int ExplainedRowsMax { get; set; } = 100;

    /// <summary>Images of one request.</summary>
    [Range(1, 100_000)]
    public int ImagesMax { get; set; } = 64;

    /// <summary>Pixels of one image.</summary>
    [Range(1, 1_000_000_000)]
    public long ImagePixelsMax { get; set; } = 50_000_000;

    /// <summary>Sounds of one request.</summary>
    [Range(1, 100_000)]
    public int SoundsMax { get; set; } = 64;

    /// <summary>How many seconds one sound may last.</summary>
    [Range(1, 86_400)]
    public int SoundSecondsMax { get; set; } = 60;

    /// <summary>Predictions that run at the same time, of which long ones leave one to short ones; 0 is one for each processor and one more.</summary>
    [Range(0, 1024)]
    public int RunsMax { get; set; }

    /// <summary>Steps of one request to a model that answers many times.</summary>
    [Range(1, 100_000_000)]
    public int StepsMax { get; set; } = 10_000;

    /// <summary>Requests that may wait until they can run; the next one is refused at once. As many again may be between steps of a model that answers many times.</summary>
    [Range(0, 100_000)]
    public int WaitingMax { get; set; } = 256;

    /// <summary>Rows of requests to one model that may run together where they have to wait for their turn anyway; 0 runs each alone.</summary>
    [Range(0, 65_536)]
    public int BatchRowsMax { get; set; } = 64;

    /// <summary>Seconds after which a run of a model is stopped; a request of many rows has several runs.</summary>
    [Range(1, 86_400)]
    public int RunSecondsMax { get; set; } = 60;

    /// <summary>Whether clients on this machine may keep tensors in files of /dev/shm that they name (system shared memory); on Linux only. Who may write there is the machine's to say.</summary>
    public bool SharedMemory { get; set; }
}
