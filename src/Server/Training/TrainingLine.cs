using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Atoll.Training;

/// <summary>One line that a training process writes to its parent; exactly one member is set.</summary>
internal sealed record TrainingLine
{
    public ProgressLine? Progress { get; init; }

    public MetricLine? Metric { get; init; }

    public string? Log { get; init; }

    /// <summary>The examples or settings cannot be trained on; the process then exits with <see cref="RefusedExitCode"/>.</summary>
    public string? Refusal { get; init; }

    /// <summary>Exit code of a process that refused.</summary>
    public const int RefusedExitCode = 10;

    public sealed record ProgressLine(string Stage, double Fraction);

    public sealed record MetricLine(string Name, double Value, int Step);
}

/// <summary>How training processes and their parent write and read JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TrainingLine))]
[JsonSerializable(typeof(TrainingOrder))]
[JsonSerializable(typeof(TrainingResult))]
internal sealed partial class TrainingJson : JsonSerializerContext;

/// <summary>Writes what a trainer reports as lines of JSON.</summary>
internal sealed class LineTrainingReport(TextWriter writer) : ITrainingReport
{
    // People look at a progress bar a few times a second at the most.
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private string? _stage;
    private long _last;

    public void Progress(string stage, double fraction)
    {
        lock (_lock)
        {
            if (stage == _stage && fraction < 1 && Stopwatch.GetElapsedTime(_last) < ProgressInterval) return;
            _stage = stage;
            _last = Stopwatch.GetTimestamp();
        }
        Write(new TrainingLine { Progress = new TrainingLine.ProgressLine(stage, Math.Clamp(fraction, 0, 1)) });
    }

    public void Metric(string name, double value, int step)
    {
        // A diverged training reports NaN, which JSON cannot carry; the log says so instead.
        if (double.IsFinite(value)) Write(new TrainingLine { Metric = new TrainingLine.MetricLine(name, value, step) });
        else Log($"{name} at step {step} is {value}");
    }

    public void Log(string message) => Write(new TrainingLine { Log = message });

    public void Refuse(string message) => Write(new TrainingLine { Refusal = message });

    private void Write(TrainingLine line)
    {
        var text = JsonSerializer.Serialize(line, TrainingJson.Default.TrainingLine);
        lock (_lock)
        {
            writer.WriteLine(text);
            writer.Flush();
        }
    }
}
