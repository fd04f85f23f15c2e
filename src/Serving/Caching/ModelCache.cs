using System.Collections.Concurrent;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Serving;

/// <summary>How a <see cref="ModelCache"/> is doing.</summary>
internal sealed record ModelCacheSnapshot(int Models, int SharedGraphs, long Bytes, long BytesMax, long Hits, long Misses, long Loads, long Failures, long Evictions)
{
    /// <summary>Models that are pinned and loaded.</summary>
    public int Pinned { get; init; }

    public long PinnedBytes { get; init; }

    /// <summary>Models behind a shared session; the others have one of their own.</summary>
    public int Split { get; init; }

    /// <summary>Split models that have a session of their own now because they are hot.</summary>
    public int Hot { get; init; }
}

/// <summary>Whether a model is pinned now, or what leaves no room for it.</summary>
internal enum PinOutcome
{
    Pinned,

    /// <summary>Pinned models of the tenant.</summary>
    TenantFull,

    /// <summary>Pinned models of all tenants, see <see cref="ModelCacheOptions.PinnedShareMax"/>.</summary>
    Full,
}

/// <summary>
/// Keeps loaded models within a budget of bytes. A hit is synchronous and allocates nothing; a miss is loaded once, however
/// many wait for it, and goes on when its first caller gives up. What makes room is decided by an <see cref="EvictionPolicy"/>.
/// </summary>
internal sealed class ModelCache : IAsyncDisposable
{
    // A session costs about this much beside its weights; measured with the leanest settings.
    private const long SessionBytes = 32 * 1024;

    private static readonly OnnxSessionOptions PreOptimised = new() { Optimized = true };

    private readonly ModelCacheOptions _options;
    private readonly TimeProvider _clock;
    private readonly LoadLane _lane;
    private readonly CancellationTokenSource _closing = new();

    // Read without the lock, written with it.
    private readonly ConcurrentDictionary<ModelKey, CachedModel> _models = new();

    private readonly SharedGraphs _graphs;
    private readonly StripedCounter _hits = new();

    private readonly Lock _lock = new();
    private readonly EvictionPolicy _policy = new();
    // What a miss may join; and every load, since one that is no longer wanted runs on beside its successor.
    private readonly Dictionary<ModelKey, Load> _loads = [];
    private readonly HashSet<Load> _running = [];
    private readonly Dictionary<ModelKey, Failure> _failures = [];
    private readonly Dictionary<string, long> _bytesByTenant = [];
    // Pinned models are in no queue of the policy: nothing makes room at their cost.
    private readonly Dictionary<string, long> _pinnedBytes = new(StringComparer.Ordinal);
    private int _pinned;
    private int _split;

    // Models with a session of their own beside the shared one, oldest first: what can be dropped before anything has to leave.
    private readonly List<CachedModel> _hot = [];
    private long _pinnedBytesOfAll;
    private bool _isClosed;

    private long _bytes;
    private long _freed;
    private long _misses;
    private long _loaded;
    private long _failed;
    private long _evictions;
    private int _creating;
    private long _heapChanges;

    public ModelCache(ModelCacheOptions options, TimeProvider clock)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.CacheBytesMax);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.LoadsMax);
        _options = options;
        _clock = clock;
        _graphs = new SharedGraphs((key, bytes, content) => Reserve(key, bytes, content.TenantBytesMax, content.TenantBytesMin), GiveBack);
        _lane = new LoadLane(options.LoadsMax, options.LoadsWaitingMax, clock);
        NativeHeap.KeepReturnable();
    }

    /// <summary>
    /// Leases the model, loading it when it is not here. Throws <see cref="ModelLoadException"/> when it cannot be loaded and
    /// <see cref="ModelCacheFullException"/> when there is no room.
    /// </summary>
    /// <param name="isUrgent">False when nobody waits for it yet: those that somebody waits for come first.</param>
    public ValueTask<ModelLease> GetAsync(ModelKey key, ModelLoader loader, CancellationToken cancellationToken, bool isUrgent = true) =>
        TryGet(key, out var lease) ? new ValueTask<ModelLease>(lease) : MissAsync(key, loader, isUrgent, cancellationToken);

    /// <summary>Leases the model if it is loaded.</summary>
    public bool TryGet(ModelKey key, out ModelLease lease)
    {
        if (_models.TryGetValue(key, out var model) && model.TryLease())
        {
            model.Touch();
            _hits.Increment();
            lease = new ModelLease(model);
            return true;
        }
        lease = default;
        return false;
    }

    /// <summary>Leases the model if it is loaded, for a look at it: that is no use of it, which would keep it in memory.</summary>
    public bool TryPeek(ModelKey key, out ModelLease lease)
    {
        lease = default;
        if (!_models.TryGetValue(key, out var model) || !model.TryLease()) return false;
        lease = new ModelLease(model);
        return true;
    }

    /// <summary>Forgets the model and what is known of its failures; leases that are out stay good.</summary>
    public void Remove(ModelKey key)
    {
        lock (_lock)
        {
            _failures.Remove(key);
            if (_loads.TryGetValue(key, out var load)) load.IsUnwanted = true;
            if (!_models.TryRemove(key, out var model)) return;
            Count_NeedsLock(model, -1);
            _hot.Remove(model);
            if (model.IsPinned) ReleasePin_NeedsLock(model);
            else _policy.Remove(model);
            model.Retire();
        }
    }

    /// <summary>Keeps a leased model in memory whatever others need, until <see cref="Unpin"/> or <see cref="Remove"/>.</summary>
    /// <param name="tenantBytesMax">What pinned models of the tenant may take together.</param>
    public PinOutcome TryPin(in ModelLease lease, long tenantBytesMax)
    {
        lock (_lock)
        {
            // One that was removed since stays only for its leases.
            if (!_models.TryGetValue(lease.Key, out var model) || model.IsPinned) return PinOutcome.Pinned;
            var ofTenant = _pinnedBytes.GetValueOrDefault(lease.Key.Tenant) + model.BytesWhenCool;
            if (ofTenant > tenantBytesMax) return PinOutcome.TenantFull;
            if (_pinnedBytesOfAll + model.BytesWhenCool > _options.PinnedShareMax * _options.CacheBytesMax) return PinOutcome.Full;
            _policy.Remove(model);
            model.IsPinned = true;
            _pinned++;
            _pinnedBytesOfAll += model.BytesWhenCool;
            _pinnedBytes[lease.Key.Tenant] = ofTenant;
            return PinOutcome.Pinned;
        }
    }

    public bool IsPinned(ModelKey key)
    {
        lock (_lock) return _models.TryGetValue(key, out var model) && model.IsPinned;
    }

    /// <summary>Treats the model like any other again.</summary>
    public void Unpin(ModelKey key)
    {
        lock (_lock)
        {
            if (!_models.TryGetValue(key, out var model) || !model.IsPinned) return;
            ReleasePin_NeedsLock(model);
            _policy.Add(model);
        }
    }

    /// <summary>Forgets every model of a tenant.</summary>
    public void RemoveAll(string tenant)
    {
        lock (_lock)
        {
            foreach (var key in _models.Keys.Concat(_loads.Keys).Concat(_failures.Keys).Where(key => key.Tenant == tenant).ToList()) Remove(key);
        }
    }

    /// <summary>Models that are worth to be loaded first after a start, without the pinned ones.</summary>
    public IReadOnlyList<ModelKey> Used(int countMax)
    {
        lock (_lock) return [.. _policy.Used(countMax).Cast<CachedModel>().Select(model => model.Key)];
    }

    /// <summary>All that is loaded, as it is asked for.</summary>
    internal IEnumerable<CachedModel> Models
    {
        get
        {
            foreach (var (_, model) in _models) yield return model;
        }
    }

    internal int HotCount
    {
        get
        {
            lock (_lock) return _hot.Count;
        }
    }

    /// <summary>Gives a leased, split model a session of its own beside its shared one, unless that does not pay or there is no free room for it.</summary>
    /// <param name="pays">Gets the new session and the model's bytes.</param>
    internal async Task<bool> WarmSessionAsync(CachedModel model, ModelLoader loader, Func<OnnxSession, byte[], bool> pays, CancellationToken cancellationToken)
    {
        LoadLane.Place place;
        try
        {
            place = _lane.Enter(model.Tenant, isUrgent: false, TenantLoads.Any);
        }
        catch (ModelCacheFullException)
        {
            return false;
        }
        try
        {
            await LoadLane.TurnOf(place).WaitAsync(cancellationToken);
            var content = await loader(model.Key, cancellationToken);
            var whole = WholeModel.ToBytes(content.Pack);
            var bytes = SessionBytes + (2L * whole.Length);

            // A luxury: nothing leaves memory for it.
            if (!TryReserveFree(model.Key, bytes, content.TenantBytesMax)) return false;
            OnnxSession? own = null;
            var isKept = false;
            try
            {
                var before = NativeHeap.AllocatedBytes();
                Interlocked.Increment(ref _heapChanges);
                own = WholeModel.Load(whole, content.Pack);
                Interlocked.Increment(ref _heapChanges);

                // What else was allocated meanwhile is in it: never less than the weights, never more than is reserved.
                if (before is { } start && NativeHeap.AllocatedBytes() is { } end && Math.Clamp(end - start, whole.Length, bytes) is var measured)
                {
                    GiveBack(model.Key, bytes - measured);
                    bytes = measured;
                }
                return isKept = pays(own, whole) && TryReplace(model, own, bytes);
            }
            finally
            {
                if (!isKept)
                {
                    own?.Dispose();
                    GiveBack(model.Key, bytes);
                }
            }
        }
        finally
        {
            _lane.Leave(place);
        }
    }

    /// <summary>Lets a hot model fall back to its shared session.</summary>
    internal bool Cool(CachedModel hot)
    {
        lock (_lock)
        {
            if (!_hot.Remove(hot)) return false;
            Cool_NeedsLock(hot);
            return true;
        }
    }

    /// <summary>What a tenant's models take.</summary>
    public long BytesOf(string tenant)
    {
        lock (_lock) return BytesOf_NeedsLock(tenant);
    }

    public ModelCacheSnapshot Snapshot()
    {
        lock (_lock)
        {
            return new ModelCacheSnapshot(
                _models.Count, _graphs.Count, Interlocked.Read(ref _bytes), _options.CacheBytesMax, _hits.Sum(), Interlocked.Read(ref _misses), _loaded, _failed, _evictions)
            {
                Pinned = _pinned, PinnedBytes = _pinnedBytesOfAll, Split = _split, Hot = _hot.Count,
            };
        }
    }

    /// <summary>Ends loads that are under way and frees every model whose leases have ended; the others follow with their leases.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] loads;
        lock (_lock)
        {
            if (_isClosed) return;
            _isClosed = true;
            loads = [.. _running.Select(load => load.Outcome)];
        }
        await _closing.CancelAsync();
        await Task.WhenAll(loads);
        lock (_lock)
        {
            foreach (var model in _models.Values)
            {
                if (!model.IsPinned) _policy.Remove(model);
                model.Retire();
            }
            _hot.Clear();
            _models.Clear();
        }
        _closing.Dispose();
    }

    /// <summary>Called by a model that was freed.</summary>
    internal void ReportFreed(ModelKey key, long bytes, string? graphDigest)
    {
        Interlocked.Increment(ref _heapChanges);
        GiveBack(key, bytes);
        if (graphDigest is not null) _graphs.Release(graphDigest);
    }

    private void GiveBack(ModelKey key, long bytes)
    {
        lock (_lock)
        {
            Interlocked.Add(ref _bytes, -bytes);
            if ((_bytesByTenant[key.Tenant] -= bytes) == 0) _bytesByTenant.Remove(key.Tenant);
            _freed += bytes;
            if (_freed < _options.TrimBytes) return;
            _freed = 0;
        }
        // What is freed stays with the allocator until it is told; that takes its time.
        _ = Task.Run(NativeHeap.Trim);
    }

    private async ValueTask<ModelLease> MissAsync(ModelKey key, ModelLoader loader, bool isUrgent, CancellationToken cancellationToken)
    {
        Load? load;
        // Asked before the lock: it may have to be read.
        var loads = _options.LoadsOf(key.Tenant);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            // It may have been loaded since the look without the lock.
            if (TryGet(key, out var lease)) return lease;
            Interlocked.Increment(ref _misses);
            if (_failures.TryGetValue(key, out var failure))
            {
                if (_clock.GetElapsedTime(failure.Time) < _options.FailureMemory) throw failure.ToException(key);
                _failures.Remove(key);
            }
            if (!_loads.TryGetValue(key, out load) || load.IsUnwanted)
            {
                load = new Load(_lane.Enter(key.Tenant, isUrgent, loads));
                _loads[key] = load;
                _running.Add(load);
                load.Outcome = Task.Run(() => LoadAsync(key, loader, load), CancellationToken.None);
            }
            else if (isUrgent)
            {
                _lane.Hurry(load.Place);
            }
            load.Waiters++;
        }

        Outcome outcome;
        try
        {
            outcome = await load.Outcome.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Leave(load);
            throw;
        }
        return outcome.Model is { } model ? new ModelLease(model) : throw outcome.ToException(key);
    }

    /// <summary>A waiter gave up: it gives back the lease that it got or would get.</summary>
    private void Leave(Load load)
    {
        lock (_lock)
        {
            if (!load.IsDone)
                load.Waiters--;
            else
                load.Model?.Release();
        }
    }

    /// <summary>Never fails: what went wrong is the outcome, since perhaps nobody waits any more.</summary>
    private async Task<Outcome> LoadAsync(ModelKey key, ModelLoader loader, Load load)
    {
        Outcome outcome;
        var began = _clock.GetTimestamp();
        try
        {
            try
            {
                await LoadLane.TurnOf(load.Place).WaitAsync(_closing.Token);
                var content = await loader(key, _closing.Token);
                outcome = Finish(key, load, Create(key, content), content);
                _options.LoadDuration?.Record(_clock.GetElapsedTime(began).TotalSeconds);
                return outcome;
            }
            finally
            {
                _lane.Leave(load.Place);
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            outcome = new Outcome(null, new ObjectDisposedException(nameof(ModelCache)), null);
        }
        catch (ModelCacheFullException full)
        {
            outcome = new Outcome(null, full, null);
        }
        catch (Exception cause)
        {
            outcome = new Outcome(null, null, new Failure(cause, _clock.GetTimestamp()));
        }

        lock (_lock)
        {
            Forget_NeedsLock(key, load);
            if (outcome.Failure is { } failure)
            {
                _failed++;
                if (!load.IsUnwanted) Remember_NeedsLock(key, failure);
            }
        }
        return outcome;
    }

    private Outcome Finish(ModelKey key, Load load, (OnnxSession Session, long Bytes) created, ModelContent content)
    {
        lock (_lock)
        {
            Forget_NeedsLock(key, load);
            // Every waiter gets its lease here, so that nothing can evict the model before they run.
            var model = new CachedModel(this, key, created.Session, content.Signature, created.Bytes, content.Pack.GraphDigest, load.Waiters);
            load.Model = model;
            _loaded++;
            if (load.IsUnwanted || _isClosed)
            {
                model.Retire();
            }
            else
            {
                _models[key] = model;
                _policy.Add(model);
                Count_NeedsLock(model, 1);
            }
            return new Outcome(model, null, null);
        }
    }

    private void Forget_NeedsLock(ModelKey key, Load load)
    {
        load.IsDone = true;
        _running.Remove(load);
        // An unwanted load may have been followed by another one of the same key.
        if (_loads.TryGetValue(key, out var current) && current == load) _loads.Remove(key);
    }

    private (OnnxSession Session, long Bytes) Create(ModelKey key, ModelContent content)
    {
        // What ONNX Runtime allocates once per process is not this model's.
        OnnxRuntime.EnsureStarted();
        return content.Pack.GraphDigest is null ? CreateSession(key, content) : CreateShared(key, content);
    }

    private (OnnxSession Session, long Bytes) CreateShared(ModelKey key, ModelContent content)
    {
        var digest = content.Pack.GraphDigest!;
        var graph = _graphs.Acquire(key, content);
        var bytes = content.Pack.BytesWhenLoaded;
        var isReserved = false;
        try
        {
            Reserve(key, bytes, content.TenantBytesMax, content.TenantBytesMin);
            isReserved = true;
            return (graph.Bind(content.Pack), bytes);
        }
        catch
        {
            if (isReserved) GiveBack(key, bytes);
            _graphs.Release(digest);
            throw;
        }
    }

    private (OnnxSession Session, long Bytes) CreateSession(ModelKey key, ModelContent content)
    {
        var model = content.Pack.Graph;
        // Measured at registration; otherwise a guess: weights are held once more in prepacked form by many operators.
        var estimate = content.Pack.SessionBytes > 0 ? content.Pack.SessionBytes : SessionBytes + 2L * model.Length;
        Reserve(key, estimate, content.TenantBytesMax, content.TenantBytesMin);
        var reserved = estimate;
        try
        {
            var alone = Interlocked.Increment(ref _creating) == 1;
            var change = Interlocked.Increment(ref _heapChanges);
            var before = NativeHeap.AllocatedBytes();
            OnnxSession session;
            try
            {
                session = OnnxSession.Load(model.Span, PreOptimised);
            }
            finally
            {
                Interlocked.Decrement(ref _creating);
            }

            // The growth is this model's only if no other one was created or freed meanwhile. Runs come and go in it too,
            // hence the bounds: never below its weights, never above what was reserved twice.
            if (alone && Interlocked.Read(ref _heapChanges) == change && before is { } start && NativeHeap.AllocatedBytes() is { } end)
            {
                var measured = Math.Clamp(end - start, Math.Min(estimate, SessionBytes / 2 + model.Length), 2 * estimate);
                if (measured <= reserved)
                {
                    GiveBack(key, reserved - measured);
                }
                else
                {
                    try
                    {
                        Reserve(key, measured - reserved, content.TenantBytesMax, content.TenantBytesMin);
                    }
                    catch (ModelCacheFullException)
                    {
                        session.Dispose();
                        throw;
                    }
                }
                reserved = measured;
            }
            return (session, reserved);
        }
        catch
        {
            GiveBack(key, reserved);
            throw;
        }
    }

    /// <summary>Counts the bytes, after making room for them.</summary>
    private void Reserve(ModelKey key, long bytes, long tenantBytesMax, long tenantBytesMin)
    {
        lock (_lock)
        {
            // A tenant makes room among its own models first, so that it cannot push out those of others.
            while (BytesOf_NeedsLock(key.Tenant) + bytes > tenantBytesMax)
            {
                if (CoolOne_NeedsLock(key.Tenant)) continue;
                if (bytes <= tenantBytesMax && _policy.EvictOf(key.Tenant, TryEvict_NeedsLock)) continue;
                throw new ModelCacheFullException(
                    $"Model {key.Digest} needs {bytes} bytes; of the {tenantBytesMax} bytes for models of its tenant {BytesOf_NeedsLock(key.Tenant)} are in use and cannot be evicted now.", ModelCacheLimit.TenantBytes);
            }
            while (Interlocked.Read(ref _bytes) + bytes > _options.CacheBytesMax)
            {
                if (CoolOne_NeedsLock(null)) continue;
                // What cannot fit even alone evicts nothing.
                if (bytes <= _options.CacheBytesMax && _policy.EvictFor(key.Tenant, tenantBytesMin, TryEvict_NeedsLock)) continue;
                throw new ModelCacheFullException(
                    $"Model {key.Digest} needs {bytes} bytes; of the {_options.CacheBytesMax} bytes for models {Interlocked.Read(ref _bytes)} are in use and cannot be evicted now. Raise CacheBytesMax, or try again later.");
            }
            Interlocked.Add(ref _bytes, bytes);
            _bytesByTenant[key.Tenant] = BytesOf_NeedsLock(key.Tenant) + bytes;
        }
    }

    private bool TryReserveFree(ModelKey key, long bytes, long tenantBytesMax)
    {
        lock (_lock)
        {
            if (_isClosed || BytesOf_NeedsLock(key.Tenant) + bytes > tenantBytesMax || Interlocked.Read(ref _bytes) + bytes > _options.CacheBytesMax) return false;
            Interlocked.Add(ref _bytes, bytes);
            _bytesByTenant[key.Tenant] = BytesOf_NeedsLock(key.Tenant) + bytes;
            return true;
        }
    }

    /// <summary>From now on the model's own session answers; leases of the shared one stay good.</summary>
    private bool TryReplace(CachedModel model, OnnxSession own, long bytes)
    {
        lock (_lock)
        {
            if (_isClosed || !_models.TryGetValue(model.Key, out var current) || current != model) return false;
            own.ContinueStatistics(model.Session);
            var hot = new CachedModel(this, model.Key, own, model.Signature, bytes, null, 0, model)
            {
                IsPinned = model.IsPinned, HeatNanoseconds = model.HeatNanoseconds,
            };
            _hot.Add(hot);
            Exchange_NeedsLock(model, hot);
            return true;
        }
    }

    private bool CoolOne_NeedsLock(string? tenant)
    {
        var index = _hot.FindIndex(model => tenant is null || model.Tenant == tenant);
        if (index < 0) return false;
        var hot = _hot[index];
        _hot.RemoveAt(index);
        Cool_NeedsLock(hot);
        return true;
    }

    private void Cool_NeedsLock(CachedModel hot)
    {
        var shared = hot.Shared!;
        shared.IsPinned = hot.IsPinned;
        shared.HeatNanoseconds = hot.HeatNanoseconds;
        Exchange_NeedsLock(hot, shared);
        hot.RetireSession();
    }

    private void Exchange_NeedsLock(CachedModel old, CachedModel next)
    {
        _models[old.Key] = next;
        if (next.IsPinned) return;
        _policy.Remove(old);
        _policy.Add(next);

        // It is in use, whatever its place in the queue says.
        next.Touch();
    }

    private long BytesOf_NeedsLock(string tenant) => _bytesByTenant.GetValueOrDefault(tenant);

    private void ReleasePin_NeedsLock(CachedModel model)
    {
        model.IsPinned = false;
        _pinned--;
        _pinnedBytesOfAll -= model.BytesWhenCool;
        if ((_pinnedBytes[model.Tenant] -= model.BytesWhenCool) == 0) _pinnedBytes.Remove(model.Tenant);
    }

    private void Count_NeedsLock(CachedModel model, int change)
    {
        if ((model.Shared ?? model).IsSplit) _split += change;
    }

    private bool TryEvict_NeedsLock(Evictable item)
    {
        var model = (CachedModel)item;
        if (!model.TryEvict()) return false;
        _models.TryRemove(model.Key, out _);
        _hot.Remove(model);
        Count_NeedsLock(model, -1);
        _evictions++;
        return true;
    }

    private void Remember_NeedsLock(ModelKey key, Failure failure)
    {
        if (_failures.Count >= _options.FailuresMax)
        {
            foreach (var (old, known) in _failures)
            {
                if (_clock.GetElapsedTime(known.Time) >= _options.FailureMemory) _failures.Remove(old);
            }
        }
        // Forgetting one only means that it is tried once more.
        if (_failures.Count < _options.FailuresMax) _failures[key] = failure;
    }

    /// <summary>A load that is under way. All but the task is guarded by the lock.</summary>
    private sealed class Load(LoadLane.Place place)
    {
        public LoadLane.Place Place => place;

        public Task<Outcome> Outcome { get; set; } = null!;

        public int Waiters { get; set; }

        public bool IsDone { get; set; }

        public bool IsUnwanted { get; set; }

        public CachedModel? Model { get; set; }
    }

    /// <summary>Why a load failed, and when.</summary>
    private sealed record Failure(Exception Cause, long Time)
    {
        public ModelLoadException ToException(ModelKey key) => new(key, Cause.Message, Cause);
    }

    /// <summary>How a load ended: with a model, with a refusal, or with a failure to remember.</summary>
    private sealed record Outcome(CachedModel? Model, Exception? Refusal, Failure? Failure)
    {
        // A new one for each waiter: a thrown exception belongs to one stack.
        public Exception ToException(ModelKey key) => Refusal switch
        {
            null => Failure!.ToException(key),
            ModelCacheFullException full => new ModelCacheFullException(full.Message, full.Limit) { RetryAfter = full.RetryAfter },
            _ => new ObjectDisposedException(nameof(ModelCache)),
        };
    }
}
