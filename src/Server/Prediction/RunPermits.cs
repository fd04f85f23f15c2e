using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>Lets as many predictions run as there are processors, lets a bounded number wait, and refuses the others at once.</summary>
internal sealed class RunPermits : IDisposable
{
    private readonly SemaphoreSlim _free;
    private readonly int _waitingMax;
    private int _waiting;

    public RunPermits(IOptions<PredictionOptions> options)
    {
        var runs = options.Value.RunsMax > 0 ? options.Value.RunsMax : Environment.ProcessorCount;
        _free = new SemaphoreSlim(runs);
        _waitingMax = options.Value.WaitingMax;

        // A run occupies a thread of the pool until it ends. Without these the pool would be slow to let others answer meanwhile.
        ThreadPool.GetMinThreads(out var workers, out var completions);
        ThreadPool.SetMinThreads(Math.Max(workers, runs + Environment.ProcessorCount), completions);
    }

    /// <summary>Waits for a permit; false when too many wait already. Whoever got one gives it back with <see cref="Leave"/>.</summary>
    public ValueTask<bool> EnterAsync(CancellationToken cancellationToken) =>
        _free.Wait(0, CancellationToken.None) ? ValueTask.FromResult(true) : QueueAsync(cancellationToken);

    public void Leave() => _free.Release();

    public void Dispose() => _free.Dispose();

    private async ValueTask<bool> QueueAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _waiting) > _waitingMax)
        {
            Interlocked.Decrement(ref _waiting);
            return false;
        }
        try
        {
            await _free.WaitAsync(cancellationToken);
            return true;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }
}
