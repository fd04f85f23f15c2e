using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>Whether a prediction may run.</summary>
internal enum Admission
{
    Admitted,

    /// <summary>Too many wait already.</summary>
    Busy,

    /// <summary>Too many of the same tenant wait already.</summary>
    TenantBusy,
}

/// <summary>Lets as many predictions run as there are processors, lets a bounded number wait, and refuses the others at once.</summary>
internal sealed class RunPermits : IDisposable
{
    private readonly SemaphoreSlim _free;
    private readonly int _waitingMax;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _waitingByTenant = [];
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

    /// <summary>Waits for a permit, unless too many wait already. Whoever got one gives it back with <see cref="Leave"/>.</summary>
    public ValueTask<Admission> EnterAsync(string tenantId, int waitingOfTenantMax, CancellationToken cancellationToken) =>
        _free.Wait(0, CancellationToken.None) ? ValueTask.FromResult(Admission.Admitted) : QueueAsync(tenantId, waitingOfTenantMax, cancellationToken);

    public void Leave() => _free.Release();

    public void Dispose() => _free.Dispose();

    private async ValueTask<Admission> QueueAsync(string tenantId, int waitingOfTenantMax, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var ofTenant = _waitingByTenant.GetValueOrDefault(tenantId);
            if (_waiting >= _waitingMax) return Admission.Busy;
            if (ofTenant >= waitingOfTenantMax) return Admission.TenantBusy;
            _waitingByTenant[tenantId] = ofTenant + 1;
            _waiting++;
        }
        try
        {
            await _free.WaitAsync(cancellationToken);
            return Admission.Admitted;
        }
        finally
        {
            lock (_lock)
            {
                _waiting--;
                if (--CollectionsMarshal.GetValueRefOrNullRef(_waitingByTenant, tenantId) == 0) _waitingByTenant.Remove(tenantId);
            }
        }
    }
}
