using Atoll.Serving.Onnx;

namespace Atoll.Prediction;

/// <summary>Stops runs that take too long: a model can be a program that never ends for certain inputs. A run pays two writes for it.</summary>
internal sealed class RunWatch : IDisposable
{
    private const long Stopped = -1;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly List<OnnxRunOptions> _runs = [];
    private readonly TimeSpan _longest;
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;

    public RunWatch(TimeSpan longest, TimeProvider clock)
    {
        (_longest, _clock) = (longest, clock);
        _timer = clock.CreateTimer(static watch => ((RunWatch)watch!).Look(), this, Interval, Interval);
    }

    /// <param name="now">The clock's timestamp.</param>
    public void Begin(OnnxRunOptions run, long now)
    {
        if (!run.IsWatched)
        {
            // Once for many runs, since options are used again.
            run.IsWatched = true;
            lock (_lock) _runs.Add(run);
        }
        Volatile.Write(ref run.Began, Math.Max(1, now));
    }

    /// <summary>The run has ended. True: it had been stopped, as it took too long; its options are no good any more.</summary>
    public static bool End(OnnxRunOptions run) => Interlocked.Exchange(ref run.Began, 0) == Stopped;

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        lock (_lock)
        {
            for (var i = _runs.Count - 1; i >= 0; i--)
            {
                var run = _runs[i];
                if (run.IsDisposed || run.IsTerminated)
                {
                    _runs[i] = _runs[^1];
                    _runs.RemoveAt(_runs.Count - 1);
                    continue;
                }
                var began = Volatile.Read(ref run.Began);
                if (began <= 0 || _clock.GetElapsedTime(began) <= _longest) continue;

                // A run that ended at this very moment has taken its mark away; then it is not touched.
                if (Interlocked.CompareExchange(ref run.Began, Stopped, began) == began) run.TryTerminate();
            }
        }
    }
}
