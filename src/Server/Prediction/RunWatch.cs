using Atoll.Serving.Onnx;

namespace Atoll.Prediction;

/// <summary>Stops runs that take too long: a model can be a program that never ends for certain inputs. Costs a run no allocation.</summary>
internal sealed class RunWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly List<(OnnxRunOptions Run, long Began)> _runs = [];
    private readonly TimeSpan _longest;
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;

    public RunWatch(TimeSpan longest, TimeProvider clock)
    {
        (_longest, _clock) = (longest, clock);
        _timer = clock.CreateTimer(static watch => ((RunWatch)watch!).Look(), this, Interval, Interval);
    }

    public void Begin(OnnxRunOptions run)
    {
        lock (_lock) _runs.Add((run, _clock.GetTimestamp()));
    }

    /// <summary>The run has ended. True: it had been stopped, as it took too long.</summary>
    public bool End(OnnxRunOptions run)
    {
        lock (_lock)
        {
            // As many as run at the same time: few.
            for (var i = 0; i < _runs.Count; i++)
            {
                if (_runs[i].Run != run) continue;
                _runs[i] = _runs[^1];
                _runs.RemoveAt(_runs.Count - 1);
                return false;
            }
            return true;
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        // Inside of the lock: a run that is here has not ended, so its options live.
        lock (_lock)
        {
            for (var i = _runs.Count - 1; i >= 0; i--)
            {
                if (_clock.GetElapsedTime(_runs[i].Began) <= _longest) continue;
                _runs[i].Run.Terminate();
                _runs.RemoveAt(i);
            }
        }
    }
}
