using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>
/// Counts the requests that are answered step by step. Between two steps they hold a model and its state in memory but no place to run, so they are bounded like
/// requests that wait: as many of a tenant, and as many altogether, of which one tenant has a quarter at most.
/// </summary>
internal sealed class AnswersInProgress(TenantLimitsDirectory limits, IOptions<PredictionOptions> options)
{
    // A tenant that lets its streams stand leaves the others room.
    private const int TenantParts = 4;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _tenants = new(StringComparer.Ordinal);
    private int _all;

    /// <summary>Requests that have begun and not ended.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _all;
        }
    }

    /// <summary>Begins one, until what is returned is disposed; or says why it may not.</summary>
    public Outcome<IDisposable> Begin(string tenantId)
    {
        var most = limits.Of(tenantId);
        var all = Math.Max(1, options.Value.WaitingMax);
        lock (_lock)
        {
            _tenants.TryGetValue(tenantId, out var own);

            // One at a time is no crowd.
            if (own >= Math.Max(1, most.WaitingPredictionsMax)) return LimitProblems.TooManyWaitingPredictions(most);
            var share = Math.Max(1, all / TenantParts);
            if (own >= share) return PredictionProblems.TooManyAnswers(share);
            if (_all >= all) return PredictionProblems.Busy();
            _tenants[tenantId] = own + 1;
            _all++;
        }
        return new Outcome<IDisposable>(new Place(this, tenantId), null);
    }

    private void End(string tenantId)
    {
        lock (_lock)
        {
            _all--;
            if (--_tenants[tenantId] == 0) _tenants.Remove(tenantId);
        }
    }

    private sealed class Place(AnswersInProgress all, string tenantId) : IDisposable
    {
        private bool _isLeft;

        public void Dispose()
        {
            if (!_isLeft) all.End(tenantId);
            _isLeft = true;
        }
    }
}
