using System.Buffers;
using Atoll.Monitoring;

namespace Atoll.Prediction;

/// <summary>The bytes of a line of a log of predictions while it is written; gives up as soon as it becomes too long.</summary>
internal sealed class LogLine : IBufferWriter<byte>
{
    // What the writer of JSON asks for at least when it needs more.
    private const int StepBytes = 4096;

    private readonly ArrayBufferWriter<byte> _written = new(1024);

    public ReadOnlySpan<byte> WrittenSpan => _written.WrittenSpan;

    private int Left => PredictionLog.LineBytesMax - _written.WrittenCount;

    /// <summary>Asked before texts are escaped, which needs six times their size.</summary>
    /// <exception cref="LogLineTooLongException">They do not fit.</exception>
    public void CheckFits(long bytes)
    {
        if (bytes > Left) throw new LogLineTooLongException();
    }

    public void Advance(int count) => _written.Advance(count);

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        CheckHint(sizeHint);
        return _written.GetMemory(sizeHint);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        CheckHint(sizeHint);
        return _written.GetSpan(sizeHint);
    }

    // For UTF-16 three bytes for each unit are asked for; most need one.
    private void CheckHint(int sizeHint)
    {
        if (Left < 0 || sizeHint > (3L * Left) + StepBytes) throw new LogLineTooLongException();
    }
}

/// <summary>A line is longer than <see cref="PredictionLog.LineBytesMax"/>.</summary>
internal sealed class LogLineTooLongException : Exception;
